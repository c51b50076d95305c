import { type Churn, churned } from "../churn.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface EulerOptions extends Churn {
  /** diffusers asks the network before noise is stirred in, and draws only where some is; k-diffusion after. */
  churnAfterAsking?: boolean;
}

/**
 * Euler's method on the probability flow ODE (Karras et al. 2022, algorithm 2 without its second-order correction). One
 * call a step.
 */
export function* euler(journey: Journey, options: EulerOptions = {}): Walker {
  const { levels, noise, interpret } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const hat = churned(here, levels.length - 1, options);
    const stir = () => combine([1, x], [hat.up, noise()]);
    if (!options.churnAfterAsking) x = stir();
    let { x0, prediction } = yield { x, level: options.churnAfterAsking ? here : hat.level, step };
    if (options.churnAfterAsking && hat.up > 0) {
      x = stir();
      ({ x0 } = interpret(prediction, x, hat.level));
    }
    x = follow(x, slope(x, x0, hat.level.sigma), next.sigma - hat.level.sigma);
  }
  return x;
}
