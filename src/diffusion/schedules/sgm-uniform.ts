import { logSigmaAt } from "../noise.ts";
import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/** Uniform over the trained timesteps without the last one, as Stability's generative-models spaces them. */
export function sgmUniform({ steps, table }: Pick<ScheduleRequest, "steps" | "table">): number[] {
  return linspace(table.sigmas.length - 1, 0, steps + 1)
    .slice(0, steps)
    .map((t) => logSigmaAt(table, t));
}
