import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface LcmOptions {
  /** What timesteps are multiplied by before they enter the boundary condition. */
  timestepScaling?: number;
}

/** Standard deviation of the data in the boundary condition, as in EDM. */
const SIGMA_DATA = 0.5;

/**
 * Multistep consistency sampling (Luo et al. 2023, algorithm 3): jump to the clean latents, then noise them to the next
 * level. One call a step; no noise after the last.
 */
export function* lcm(journey: Journey, { timestepScaling = 10 }: LcmOptions = {}): Walker {
  const { levels, noise } = journey;
  const steps = levels.length - 1;
  let { x } = journey;
  for (let step = 0; step < steps; step++) {
    const here = levels[step]!;
    const { x0 } = yield { x, level: here, step };
    const scaled = (here.timestep ?? 0) * timestepScaling;
    const cSkip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
    const cOut = scaled / Math.hypot(scaled, SIGMA_DATA);
    const denoised = combine([cOut, x0], [cSkip, x]);
    const next = levels[step + 1]!;
    x = step === steps - 1 ? denoised : combine([next.alpha, denoised], [next.sigma, noise()]);
  }
  return x;
}
