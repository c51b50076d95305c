import { type Churn, churned } from "../churn.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface HeunOptions extends Churn {
  /** Draw noise for the churn; diffusers' class has none. */
  draws?: boolean;
}

/** Heun's second-order method (Karras et al. 2022, algorithm 2). Two calls a step, one for the last. */
export function* heun(journey: Journey, options: HeunOptions = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const next = levels[step + 1]!;
    const { level: hat, up } = churned(levels[step]!, levels.length - 1, options);
    if (options.draws !== false) x = combine([1, x], [up, noise()]);
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
