import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/** Linear in log sigma: every step halves (or so) the noise. */
export function exponential({ steps, sigmaMin, sigmaMax }: Omit<ScheduleRequest, "table">): number[] {
  return linspace(Math.log(sigmaMax), Math.log(sigmaMin), steps).map(Math.exp);
}
