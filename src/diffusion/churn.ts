import type { Level } from "./level.ts";
import type { Journey } from "./sampler.ts";
import { combine } from "./vector.ts";

/** The stochasticity of Karras et al. (2022), § 4; off by default. */
export interface Churn {
  /** S_churn: total noise to stir in, spread over the steps, ≥ 0. */
  sChurn?: number;
  /** S_tmin, S_tmax: only at sigmas in this range. */
  sTmin?: number;
  sTmax?: number;
  /** S_noise: standard deviation of the noise stirred in. */
  sNoise?: number;
}

/** The raised level σ̂ = σ + γσ of algorithm 2, line 5, and the weight `up` of the noise that leads there (line 6). */
export function churned(level: Level, steps: number, options: Churn): { level: Level; up: number } {
  const { sChurn = 0, sTmin = 0, sTmax = Infinity, sNoise = 1 } = options;
  const { alpha, sigma } = level;
  if (sChurn === 0 || sigma < sTmin || sigma > sTmax) return { level, up: 0 };
  const hat = sigma * (1 + Math.min(sChurn / steps, Math.SQRT2 - 1));
  return { level: { alpha, sigma: hat }, up: sNoise * Math.sqrt(hat ** 2 - sigma ** 2) };
}

export interface Stirring extends Churn {
  /** Draw noise for the churn; some of diffusers' classes have none. */
  draws?: boolean;
}

/** `x` with the noise of a step's churn stirred in, and the level that it then lies at. Draws also where the weight is 0. */
export function stirred(
  x: Float32Array,
  step: number,
  { levels, noise }: Journey,
  options: Stirring,
): { x: Float32Array; level: Level } {
  const { level, up } = churned(levels[step]!, levels.length - 1, options);
  return { x: options.draws === false ? x : combine([1, x], [up, noise()]), level };
}
