import { reachedInLog, type Stretch } from "../brownian.ts";
import { exponentialStep } from "../exponential-integrator.ts";
import { ancestralStep, exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface DpmppSdeOptions {
  eta?: number;
  sNoise?: number;
}

/**
 * DPM-Solver++ (2S) with ancestral noise in both of its stages; the midpoint lies halfway in log sigma. Two calls and two
 * draws a step, one call and no draw for the last.
 */
export function* dpmppSde(journey: Journey, { eta = 1, sNoise = 1 }: DpmppSdeOptions = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const first = yield { x, level: here, step };
    if (next.sigma === 0) {
      x = follow(x, slope(x, first.x0, here.sigma), -here.sigma);
      continue;
    }
    const reached = reachedInLog(here, next);
    const leap = (x0: Float32Array, to: typeof next, stretch: Stretch): Float32Array => {
      const { down, up } = ancestralStep(here, to, eta);
      const { transfer, w0 } = exponentialStep(here, exploding(down), "x0");
      return combine([transfer, x], [w0, x0], [sNoise * up, noise(stretch)]);
    };
    const middle = exploding(Math.sqrt(here.sigma * next.sigma));
    const second = yield { x: leap(first.x0, middle, [reached.from, reached.middle]), level: middle, step };
    x = leap(second.x0, next, [reached.from, reached.to]);
  }
  return x;
}
