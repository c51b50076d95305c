import { type Stirring, stirred } from "../churn.ts";
import { exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { follow, slope } from "../vector.ts";

/**
 * The midpoint method in log sigma, after DPM-Solver-2 (Lu et al. 2022, algorithm 1) with the churn of Karras et al.
 * Two calls a step, one for the last.
 */
export function* dpm2(journey: Journey, options: Stirring = {}): Walker {
  let { x } = journey;
  for (const [step, next] of journey.levels.slice(1).entries()) {
    const hat = stirred(x, step, journey, options);
    const { sigma } = hat.level;
    const first = yield { ...hat, step };
    let d = slope(hat.x, first.x0, sigma);
    if (next.sigma > 0) {
      const middle = exploding(Math.sqrt(sigma * next.sigma));
      const halfway = follow(hat.x, d, middle.sigma - sigma);
      const second = yield { x: halfway, level: middle, step };
      d = slope(halfway, second.x0, middle.sigma);
    }
    x = follow(hat.x, d, next.sigma - sigma);
  }
  return x;
}
