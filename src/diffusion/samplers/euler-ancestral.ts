import { ancestralStep } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, follow, slope } from "../vector.ts";

export interface AncestralOptions {
  /** Share of the posterior's noise: 0 is the ODE, 1 ancestral sampling. */
  eta?: number;
  /** Standard deviation of the noise. */
  sNoise?: number;
  /** Draw noise on the step to zero too, as diffusers does, though its weight is 0. */
  drawAtEnd?: boolean;
}

/** Ancestral sampling with Euler steps (Song et al. 2021, "Score-based generative modeling", appendix F). One call a step. */
export function* eulerAncestral(journey: Journey, options: AncestralOptions = {}): Walker {
  const { eta = 1, sNoise = 1, drawAtEnd = false } = options;
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const { x0 } = yield { x, level: here, step };
    const { down, up } = ancestralStep(here, next, eta);
    x = follow(x, slope(x, x0, here.sigma), down - here.sigma);
    if (next.sigma > 0 || drawAtEnd) x = combine([1, x], [sNoise * up, noise()]);
  }
  return x;
}
