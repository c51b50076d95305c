import { type Level, lambdaOf } from "./level.ts";

/** Which function of time a solver extrapolates: the clean latents (DPM-Solver++) or the noise (DPM-Solver). */
export type Extrapolated = "x0" | "epsilon";

/**
 * One step of an exponential integrator in λ: x_t = transfer · x_s + w0 · D0 + w1 · D1 + w2 · D2 + noise · z, where D0 is
 * the extrapolated function at s and D1, D2 are its first and second derivative times h and h².
 */
export interface ExponentialStep {
  readonly transfer: number;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly noise: number;
  /** λ_t − λ_s; infinite for the step to zero noise, which allows D0 only. */
  readonly h: number;
}

/**
 * The step `from` → `to`; eta 0 follows the ODE, 1 the reverse SDE.
 *
 * x0: Lu et al. 2022b (DPM-Solver++), § 4, and its SDE form with (1 + eta)·h in place of h. epsilon: Lu et al. 2022a
 * (DPM-Solver), § 3; its SDE form doubles the weights of the ODE.
 */
export function exponentialStep(from: Level, to: Level, of: Extrapolated, eta = 0): ExponentialStep {
  const h = lambdaOf(to) - lambdaOf(from);
  if (of === "epsilon") {
    const [scale, growth] = [-(1 + eta) * to.sigma, Math.expm1(h)];
    return {
      transfer: to.alpha / from.alpha,
      w0: scale * growth,
      w1: h === 0 ? 0 : scale * (growth / h - 1),
      w2: h === 0 ? 0 : scale * ((growth - h) / h ** 2 - 1 / 2),
      noise: to.sigma * Math.sqrt(Math.expm1(2 * eta * h)),
      h,
    };
  }
  const stretched = (1 + eta) * h;
  const decay = -Math.expm1(-stretched);
  const phi2 = stretched === 0 ? 0 : 1 - decay / stretched;
  return {
    transfer: to.sigma === 0 ? 0 : (to.sigma / from.sigma) * Math.exp(-eta * h),
    w0: to.alpha * decay,
    w1: to.alpha * phi2,
    w2: stretched === 0 ? 0 : -to.alpha * (phi2 / stretched - 1 / 2),
    noise: to.sigma === 0 ? 0 : to.sigma * Math.sqrt(-Math.expm1(-2 * eta * h)),
    h,
  };
}
