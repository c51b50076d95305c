import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/**
 * Uniform in λ = −log sigma, DPM-Solver's own clock (Lu et al. 2022a, § 3). The levels are those of `exponential`;
 * diffusers offers both under separate names and rounds their timesteps differently.
 */
export function lu({ steps, sigmaMin, sigmaMax }: Omit<ScheduleRequest, "table">): number[] {
  return linspace(-Math.log(sigmaMax), -Math.log(sigmaMin), steps).map((lambda) => Math.exp(-lambda));
}
