/**
 * A noise level: x = alpha · x0 + sigma · ε with standard normal ε.
 *
 * Two frames are in use, and a solver written for levels works in both. In the variance-preserving frame of DDPM
 * alpha² + sigma² = 1; in the variance-exploding frame of Karras et al. (2022) alpha = 1. The same point of the process
 * has the same sigma / alpha in both, and x differs by the factor alpha.
 */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
  /** What the network is told. Absent where only sigma is known: the denoiser then looks it up. */
  readonly timestep?: number;
}

/** The level of noise-to-signal ratio `ratio` in the frame where alpha = 1. */
export function exploding(ratio: number, timestep?: number): Level {
  return { alpha: 1, sigma: ratio, timestep };
}

/** The level of noise-to-signal ratio `ratio` in the frame where alpha² + sigma² = 1. */
export function preserving(ratio: number, timestep?: number): Level {
  const alpha = 1 / Math.sqrt(ratio * ratio + 1);
  return { alpha, sigma: ratio * alpha, timestep };
}

/** The variance-preserving level of cumulative ᾱ; ᾱ = 0 (no signal left) is allowed. */
export function fromAlphaCumprod(alphaCumprod: number, timestep?: number): Level {
  return { alpha: Math.sqrt(alphaCumprod), sigma: Math.sqrt(1 - alphaCumprod), timestep };
}

/** Noise-to-signal ratio: Karras's sigma, DEIS's rho. Infinite where no signal is left. */
export function ratioOf(level: Level): number {
  return level.sigma / level.alpha;
}

/** Half the log signal-to-noise ratio, λ of DPM-Solver. +∞ where no noise is left. */
export function lambdaOf(level: Level): number {
  return Math.log(level.alpha) - Math.log(level.sigma);
}

/**
 * Splits the step `from` → `to` of an ancestral sampler: go down to noise `down` deterministically, then add noise `up`,
 * down² + up² = to.sigma². eta = 1 is the posterior of DDPM (Ho et al. 2020, eq. 7) in either frame, eta = 0 the ODE;
 * DDIM's σₜ(η) (Song et al. 2021, eq. 16) is the same number.
 */
export function ancestralStep(from: Level, to: Level, eta: number): { down: number; up: number } {
  // share = 1 − (ratio of `to` / ratio of `from`)², written so that alpha may be 0 in `from`.
  const share = 1 - ((to.sigma * from.alpha) / (to.alpha * from.sigma)) ** 2;
  const up = Math.min(to.sigma, eta * to.sigma * Math.sqrt(Math.max(share, 0)));
  return { down: Math.sqrt(to.sigma ** 2 - up ** 2), up };
}
