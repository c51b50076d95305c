import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/**
 * Linear in sigma^(1/rho): the greater rho, the shorter the steps near the picture (Karras et al. 2022, eq. 5).
 */
export function karras({ steps, sigmaMin, sigmaMax }: Omit<ScheduleRequest, "table">, rho = 7): number[] {
  const [high, low] = [sigmaMax ** (1 / rho), sigmaMin ** (1 / rho)];
  return linspace(0, 1, steps).map((ramp) => (high + ramp * (low - high)) ** rho);
}
