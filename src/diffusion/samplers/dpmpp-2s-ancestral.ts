import { exponentialStep } from "../exponential-integrator.ts";
import { ancestralStep, exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface Dpmpp2sAncestralOptions {
  eta?: number;
  sNoise?: number;
}

/**
 * Ancestral sampling whose deterministic part is DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r = 1/2). Two calls
 * a step, one for the last.
 */
export function* dpmpp2sAncestral(journey: Journey, options: Dpmpp2sAncestralOptions = {}): Walker {
  const { eta = 1, sNoise = 1 } = options;
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const { down, up } = ancestralStep(here, next, eta);
    const first = yield { x, level: here, step };
    if (down === 0) x = follow(x, slope(x, first.x0, here.sigma), -here.sigma);
    else {
      const middle = exploding(Math.sqrt(here.sigma * down));
      const half = exponentialStep(here, middle, "x0");
      const second = yield { x: combine([half.transfer, x], [half.w0, first.x0]), level: middle, step };
      const whole = exponentialStep(here, exploding(down), "x0");
      x = combine([whole.transfer, x], [whole.w0, second.x0]);
    }
    if (next.sigma > 0) x = combine([1, x], [sNoise * up, noise()]);
  }
  return x;
}
