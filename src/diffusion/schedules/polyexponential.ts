import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/** A polynomial of degree rho in log sigma (k-diffusion); rho = 1 is the exponential schedule. */
export function polyexponential({ steps, sigmaMin, sigmaMax }: Omit<ScheduleRequest, "table">, rho = 1): number[] {
  const [low, range] = [Math.log(sigmaMin), Math.log(sigmaMax) - Math.log(sigmaMin)];
  return linspace(1, 0, steps).map((ramp) => Math.exp(ramp ** rho * range + low));
}
