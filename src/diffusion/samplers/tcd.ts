import type { Level } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface TcdOptions {
  /** γ of the paper, 0–1: 0 is deterministic, 1 is multistep consistency sampling. */
  eta?: number;
  /** The variance-preserving level of a timestep. */
  levelAt(timestep: number): Level;
}

/**
 * Trajectory consistency distillation, strategic stochastic sampling (Zheng et al. 2024, § 4.2): jump to
 * (1 − γ) of the next timestep, then noise up to it. One call a step; no noise after the last.
 */
export function* tcd(journey: Journey, { eta = 0.3, levelAt }: TcdOptions): Walker {
  const { levels, noise } = journey;
  const steps = levels.length - 1;
  let { x } = journey;
  for (let step = 0; step < steps; step++) {
    const { x0, epsilon } = yield { x, level: levels[step]!, step };
    const next = step === steps - 1 ? levelAt(0) : levels[step + 1]!;
    // In float32 as the reference: 0.7 · 700 is 490 there, and a hair less in double.
    const s = levelAt(Math.floor(Math.fround(Math.fround(1 - eta) * next.timestep!)));
    x = combine([s.alpha, x0], [s.sigma, epsilon]);
    if (eta > 0 && step < steps - 1) {
      const keep = next.alpha / s.alpha;
      x = combine([keep, x], [Math.sqrt(Math.max(1 - keep ** 2, 0)), noise()]);
    }
  }
  return x;
}
