import { ancestralStep, type Level } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface DdimOptions {
  /** 0 is the deterministic DDIM, 1 has DDPM's variance. */
  eta?: number;
  /** Where each step lands. Default: the next level. diffusers lands a fixed stride lower, wherever the next call is. */
  targets?: readonly Level[];
}

/** DDIM (Song et al. 2021, eq. 12 and 16): Euler's method in the variance-preserving frame. One call a step. */
export function* ddim(journey: Journey, { eta = 0, targets = journey.levels.slice(1) }: DdimOptions = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < targets.length; step++) {
    const [here, target] = [levels[step]!, targets[step]!];
    const { x0, epsilon } = yield { x, level: here, step };
    const { down, up } = ancestralStep(here, target, eta);
    x = combine([target.alpha, x0], [down, epsilon]);
    if (eta > 0) x = combine([1, x], [up, noise()]);
  }
  return x;
}
