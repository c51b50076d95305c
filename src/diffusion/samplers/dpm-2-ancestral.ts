import { ancestralStep, exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface Dpm2AncestralOptions {
  eta?: number;
  sNoise?: number;
}

/** Ancestral sampling whose deterministic part is the midpoint method of `dpm2`. Two calls a step, one for the last. */
export function* dpm2Ancestral(journey: Journey, { eta = 1, sNoise = 1 }: Dpm2AncestralOptions = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const { down, up } = ancestralStep(here, next, eta);
    const first = yield { x, level: here, step };
    const d = slope(x, first.x0, here.sigma);
    if (down === 0) {
      x = follow(x, d, -here.sigma);
      continue;
    }
    const middle = exploding(Math.sqrt(here.sigma * down));
    const halfway = follow(x, d, middle.sigma - here.sigma);
    const second = yield { x: halfway, level: middle, step };
    x = follow(x, slope(halfway, second.x0, middle.sigma), down - here.sigma);
    x = combine([1, x], [sNoise * up, noise()]);
  }
  return x;
}
