import { type Churn, churned } from "../churn.ts";
import { exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface Dpm2Options extends Churn {
  /** Draw noise for the churn; diffusers' class has none. */
  draws?: boolean;
}

/**
 * The midpoint method in log sigma, after DPM-Solver-2 (Lu et al. 2022, algorithm 1) with the churn of Karras et al.
 * Two calls a step, one for the last.
 */
export function* dpm2(journey: Journey, options: Dpm2Options = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const next = levels[step + 1]!;
    const { level: hat, up } = churned(levels[step]!, levels.length - 1, options);
    if (options.draws !== false) x = combine([1, x], [up, noise()]);
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
