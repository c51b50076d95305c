import { type Stirring, stirred } from "../churn.ts";
import { exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { follow, slope } from "../vector.ts";

/**
 * The midpoint method in log sigma, after DPM-Solver-2 (Lu et al. 2022, algorithm 1) with the churn of Karras et al.
 * Two calls a step, one for the last.
 */
export function* dpm2(journey: Journey, options: Stirring = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const next = levels[step + 1]!;
    const start = stirred(x, levels[step]!, levels.length - 1, noise, options);
    const hat = start.level;
    x = start.x;
    const first = yield { x, level: hat, step };
    let d = slope(x, first.x0, hat.sigma);
    if (next.sigma > 0) {
      const middle = exploding(Math.sqrt(hat.sigma * next.sigma));
      const halfway = follow(x, d, middle.sigma - hat.sigma);
      const second = yield { x: halfway, level: middle, step };
      d = slope(halfway, second.x0, middle.sigma);
    }
    x = follow(x, d, next.sigma - hat.sigma);
  }
  return x;
}
