import type { Context } from "hono";
import { defined } from "../tensor/index.ts";
import type { Env } from "./env.ts";
import { ApiError } from "./error.ts";
import { type DrawRequest, drawRequest } from "./schema/draw.ts";
import type { Job } from "./schema/job.ts";
import type { Services } from "./services.ts";

/** Accepts a job for whoever asks, and notes that. */
export async function acceptJob(
  c: Context<Env>,
  { jobs, metrics, logPrompts }: Services,
  request: DrawRequest,
  idempotencyKey: string | undefined,
): Promise<{ readonly job: Job; readonly fresh: boolean }> {
  const accepted = await jobs.accept(request, { client: c.var.client, idempotencyKey });
  if (!accepted.fresh) return accepted;
  metrics.accepted();
  const prompt = logPrompts ? { prompt: request.prompt } : {};
  c.var.log.info({ job: accepted.job.id, model: accepted.job.model, ...prompt }, "accepted");
  return accepted;
}

/**
 * A request that was made of another API's, held to the limits of our own; what is undefined in it is left out.
 *
 * @param names what the other API calls our settings
 * @throws ApiError naming the setting as the client does
 */
export function checkedRequest(request: DrawRequest, names: Readonly<Record<string, string>>): DrawRequest {
  const read = drawRequest.safeParse(defined(request));
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  const own = String(path[0] ?? "prompt");
  const at = names[own] ?? own;
  throw new ApiError("invalid", `${at}: ${message}`, { at });
}
