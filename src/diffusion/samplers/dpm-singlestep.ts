import { type ExponentialStep, type Extrapolated, exponentialStep } from "../exponential-integrator.ts";
import { type Level, lambdaOf } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface DpmSinglestepOptions {
  /** The order of each step, 1–3. A step of order k looks back over k − 1 levels and starts where that span starts. */
  orders: readonly number[];
  extrapolate?: Extrapolated;
  /** 0: the ODE; 1: the reverse SDE, one draw a step. */
  eta?: number;
  solverType?: "midpoint" | "heun";
}

/**
 * DPM-Solver and DPM-Solver++, singlestep (Lu et al. 2022a, algorithms 1–2; 2022b, algorithm 1), with the levels of the
 * schedule as intermediate points: steps of order 1, 2, 3 in turn retrace the same span ever more exactly. One call a step.
 */
export function* dpmSinglestep(journey: Journey, options: DpmSinglestepOptions): Walker {
  const { orders, extrapolate = "x0", eta = 0, solverType = "midpoint" } = options;
  const { levels, noise } = journey;
  const history: { value: Float32Array; level: Level }[] = [];
  let { x } = journey;
  let start = x;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const estimate = yield { x, level: here, step };
    history.unshift({ value: estimate[extrapolate], level: here });
    history.length = Math.min(history.length, 3);
    const order = Math.min(orders[step]!, history.length);
    if (order === 1) start = x;

    const span = history.slice(0, order);
    const from = span.at(-1)!.level;
    const taken = exponentialStep(from, next, extrapolate, eta);
    // The sign of one half in w2 that diffusers turns round in its SDE.
    const shaped = eta > 0 ? { ...taken, w2: taken.w2 - next.alpha } : taken;
    const reached = span.map((past) => (lambdaOf(past.level) - lambdaOf(from)) / taken.h);
    const weights = singlestepWeights(shaped, reached, solverType);
    x = combine([taken.transfer, start], ...weights.map((weight, k) => [weight, span[k]!.value] as const));
    if (eta > 0) x = combine([1, x], [taken.noise, noise()]);
  }
  return x;
}

/** The weights of the predictions in the span, newest first; `reached` says how far along the step each one lies. */
function singlestepWeights(
  { w0, w1, w2 }: ExponentialStep,
  reached: readonly number[],
  solverType: "midpoint" | "heun",
): number[] {
  const [r0, r1] = reached;
  if (reached.length === 1) return [w0];
  if (reached.length === 2) {
    const bend = (solverType === "midpoint" ? w0 / 2 : w1) / r0!;
    return [bend, w0 - bend];
  }
  if (solverType === "midpoint") return [w1 / r0!, 0, w0 - w1 / r0!];
  // D1 = (r0·near − r1·far)/(r0 − r1), D2 = 2·(far − near)/(r0 − r1), near = (m1 − m2)/r1, far = (m0 − m2)/r0
  const near = (w1 * r0! - 2 * w2) / (r0! - r1!) / r1!;
  const far = (2 * w2 - w1 * r1!) / (r0! - r1!) / r0!;
  return [far, near, w0 - near - far];
}
