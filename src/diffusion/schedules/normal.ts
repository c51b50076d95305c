import { logSigmaAt } from "../noise.ts";
import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/** Uniform over the trained timesteps, both ends included: A1111's "Uniform" and "Normal". */
export function normal({ steps, table }: Pick<ScheduleRequest, "steps" | "table">): number[] {
  return linspace(table.sigmas.length - 1, 0, steps).map((t) => logSigmaAt(table, t));
}
