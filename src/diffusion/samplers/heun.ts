import { type Stirring, stirred } from "../churn.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

/** Heun's second-order method (Karras et al. 2022, algorithm 2). Two calls a step, one for the last. */
export function* heun(journey: Journey, options: Stirring = {}): Walker {
  let { x } = journey;
  for (const [step, next] of journey.levels.slice(1).entries()) {
    const hat = stirred(x, step, journey, options);
    const { sigma } = hat.level;
    const first = yield { ...hat, step };
    const d = slope(hat.x, first.x0, sigma);
    x = follow(hat.x, d, next.sigma - sigma);
    if (next.sigma === 0) continue;
    const second = yield { x, level: next, step };
    const mean = combine([1 / 2, d], [1 / 2, slope(x, second.x0, next.sigma)]);
    x = follow(hat.x, mean, next.sigma - sigma);
  }
  return x;
}
