import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/** The published optimum for Stable Diffusion 1.5 in 10 steps (Sabour et al. 2024, table of the project page). */
const STABLE_DIFFUSION = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];

/**
 * Align Your Steps: levels that minimise a bound on the discretisation error of Stable Diffusion. Other numbers of steps
 * interpolate the published eleven levels in log sigma. Its range is that of the published table.
 */
export function alignYourSteps({ steps }: Pick<ScheduleRequest, "steps">): number[] {
  const logs = STABLE_DIFFUSION.map(Math.log);
  return linspace(0, logs.length - 1, steps).map((at) => {
    const low = Math.min(Math.floor(at), logs.length - 2);
    return Math.exp(logs[low]! + (at - low) * (logs[low + 1]! - logs[low]!));
  });
}
