import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

export interface VpOptions {
  betaD?: number;
  betaMin?: number;
  epsS?: number;
}

/**
 * The continuous variance-preserving schedule of Song et al. (2021), as sigma (Karras et al. 2022, table 1). Its range
 * follows from its own parameters, not from the network's.
 */
export function vp({ steps }: Pick<ScheduleRequest, "steps">, options: VpOptions = {}): number[] {
  const { betaD = 19.9, betaMin = 0.1, epsS = 1e-3 } = options;
  const { fround } = Math;
  // Not expm1: the reference subtracts in float32, and its least sigma holds that rounding.
  return linspace(1, epsS, steps).map((t) => Math.sqrt(fround(Math.exp((betaD * t * t) / 2 + betaMin * t)) - 1));
}
