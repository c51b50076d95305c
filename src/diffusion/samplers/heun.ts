import { type Stirring, stirred } from "../churn.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

/** Heun's second-order method (Karras et al. 2022, algorithm 2). Two calls a step, one for the last. */
export function* heun(journey: Journey, options: Stirring = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const next = levels[step + 1]!;
    const start = stirred(x, levels[step]!, levels.length - 1, noise, options);
    const hat = start.level;
    x = start.x;
    const first = yield { x, level: hat, step };
    const d = slope(x, first.x0, hat.sigma);
    const reached = follow(x, d, next.sigma - hat.sigma);
    if (next.sigma === 0) {
      x = reached;
      continue;
    }
    const second = yield { x: reached, level: next, step };
    const mean = combine([1 / 2, d], [1 / 2, slope(reached, second.x0, next.sigma)]);
    x = follow(x, mean, next.sigma - hat.sigma);
  }
  return x;
}
