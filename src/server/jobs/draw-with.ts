import type { Models } from "../models.ts";
import type { DrawJob } from "./attempts.ts";
import { drawJob } from "./draw-job.ts";
import { type RequestTools, settingsOf } from "./request.ts";

/** Draws with the models of this machine. */
export function drawWith(
  models: Pick<Models, "open">,
  tools: Omit<RequestTools, "pictures" | "uploads" | "config">,
): DrawJob {
  return async function* draw(order, signal) {
    const settings = await settingsOf(order.request, order, { ...tools, config: { goals: order.goals } });
    const drawer = await models.open(order.request.model);
    signal.throwIfAborted();
    yield* drawJob(order, { drawer, settings, signal });
  };
}
