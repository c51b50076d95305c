import type { Context } from "hono";
import { acceptJob } from "./accept.ts";
import type { Env } from "./env.ts";
import { ApiError } from "./error.ts";
import type { Frame } from "./jobs/channels.ts";
import type { Jobs } from "./jobs/jobs.ts";
import type { DrawRequest } from "./schema/draw.ts";
import type { Job } from "./schema/job.ts";
import type { Services } from "./services.ts";

/** A job whose client stays until it is drawn. */
export interface AwaitedJob {
  readonly id: string;
  /** What becomes of it. Ends with the job, which it returns however it ended. */
  readonly frames: AsyncGenerator<Frame, Job, void>;
  /** The client does not wait any more. Never rejects. */
  leave(): Promise<void>;
}

/**
 * Accepts a job for a client that stays. When it leaves before the end the job is cancelled: nobody would come for its pictures. With
 * an Idempotency-Key the job goes on, since the same request can come for it again.
 *
 * @throws ApiError or InputError as {@link Jobs.accept}
 */
export async function awaitJob(c: Context<Env>, services: Services, request: DrawRequest): Promise<AwaitedJob> {
  const { jobs, limits } = services;
  if (jobs.watchers >= limits.watchers) {
    throw new ApiError("too_many", `${jobs.watchers} requests wait for pictures already.`, { retryAfter: 10 });
  }
  const key = c.req.header("idempotency-key") || undefined;
  const { signal } = c.req.raw;
  const { job } = await acceptJob(c, services, request, key);
  const watcher = jobs.watch(job.id);
  const leave = async (): Promise<void> => {
    signal.removeEventListener("abort", onAbort);
    watcher?.close();
    if (key !== undefined) return;
    await cancel(jobs, job.id).catch((err: unknown) => c.var.log.error({ err, job: job.id }, "not cancelled"));
  };
  const onAbort = (): void => void leave();
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });

  async function* follow(): AsyncGenerator<Frame, Job, void> {
    let stopping = false;
    for (let frame = await watcher?.next(); frame; frame = await watcher?.next()) {
      stopping ||= frame.event.type === "stopping";
      yield frame;
    }
    await leave();
    if (stopping) throw new ApiError("stopping", "The server is stopping; ask again in a moment.", { retryAfter: 10 });
    return jobs.get(job.id);
  }
  return { id: job.id, frames: follow(), leave };
}

/**
 * Waits for the end.
 *
 * @throws ApiError where the job did not end well
 */
export async function doneJob({ frames }: Pick<AwaitedJob, "frames">): Promise<Job> {
  for (;;) {
    const { done, value } = await frames.next();
    if (done) return checkDone(value);
  }
}

/** @throws ApiError saying why a job was not drawn */
export function checkDone(job: Job): Job {
  if (job.state === "done") return job;
  if (job.state === "failed") throw new ApiError("failed", job.error?.message ?? "The job failed.");
  throw new ApiError("conflict", "The job was cancelled before it was done.");
}

/** Unless it has ended. */
async function cancel(jobs: Jobs, id: string): Promise<void> {
  const { state } = jobs.get(id);
  if (state !== "queued" && state !== "running") return;
  await jobs.cancel(id).catch((error: unknown) => {
    // It ended at the same moment.
    if (!(error instanceof ApiError && error.code === "conflict")) throw error;
  });
}
