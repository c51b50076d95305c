import { type ExponentialStep, type Extrapolated, exponentialStep } from "../exponential-integrator.ts";
import { type Level, lambdaOf } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface DpmMultistepOptions {
  /** 1 is DDIM, 2 is "2M", 3 is "3M". */
  order?: number;
  extrapolate?: Extrapolated;
  /** 0: the ODE; 1: the reverse SDE. */
  eta?: number;
  sNoise?: number;
  /** How the second order weighs the first derivative: halved (midpoint) or exactly (heun). */
  solverType?: "midpoint" | "heun";
  /** Lower the order towards the end: second for the last step but one, first for the last. */
  lowerOrderFinal?: boolean;
  /** First order for the last step alone. */
  eulerAtFinal?: boolean;
  /** Draw noise on the step to zero too, as diffusers does, though its weight is 0. */
  drawAtEnd?: boolean;
  /** Noise is Brownian motion over sigma, as in k-diffusion. */
  brownian?: boolean;
  /** diffusers' third-order SDE has the sign of one half in w2 turned round; k-diffusion's has not. */
  thirdOrderAsDiffusers?: boolean;
}

/**
 * DPM-Solver and DPM-Solver++, multistep (Lu et al. 2022b, algorithm 2, and its third order), and their SDE forms: an
 * exponential integrator whose derivatives come from earlier calls. One call a step.
 */
export function* dpmMultistep(journey: Journey, options: DpmMultistepOptions = {}): Walker {
  const { order = 2, extrapolate = "x0", eta = 0, sNoise = 1, solverType = "midpoint" } = options;
  const { levels, noise } = journey;
  const steps = levels.length - 1;
  const history: { value: Float32Array; level: Level }[] = [];
  let { x } = journey;
  for (let step = 0; step < steps; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const estimate = yield { x, level: here, step };
    history.unshift({ value: estimate[extrapolate], level: here });
    history.length = Math.min(history.length, order);

    const last = step === steps - 1;
    const allowed = next.sigma === 0 || (last && options.eulerAtFinal) ? 1 : options.lowerOrderFinal ? steps - step : 3;
    let taken = exponentialStep(here, next, extrapolate, eta);
    const used = Math.min(history.length, allowed);
    if (used === 2 && solverType === "midpoint") taken = { ...taken, w1: taken.w0 / 2 };
    if (used === 3 && options.thirdOrderAsDiffusers) taken = { ...taken, w2: taken.w2 - next.alpha };
    const weights = multistepWeights(
      taken,
      history.slice(0, used).map((past) => lambdaOf(past.level)),
    );
    x = combine([taken.transfer, x], ...weights.map((weight, k) => [weight, history[k]!.value] as const));
    if (eta > 0 && (next.sigma > 0 || options.drawAtEnd)) {
      const drawn = noise(options.brownian ? [here.sigma, next.sigma] : undefined);
      x = combine([1, x], [sNoise * taken.noise, drawn]);
    }
  }
  return x;
}

/** The weights of the one to three latest predictions at `lambdas`, newest first: divided differences for D1, D2. */
function multistepWeights({ w0, w1, w2, h }: ExponentialStep, lambdas: readonly number[]): number[] {
  const [l0, l1, l2] = lambdas;
  if (l1 === undefined) return [w0];
  const r0 = (l0! - l1) / h;
  if (l2 === undefined) return [w0 + w1 / r0, -w1 / r0];
  const r1 = (l1 - l2) / h;
  // D1 = near + r0/(r0 + r1) · (near − far), D2 = (near − far)/(r0 + r1)
  const bend = (w1 * r0 + w2) / (r0 + r1);
  const [near, far] = [(w1 + bend) / r0, -bend / r1];
  return [w0 + near, far - near, -far];
}
