import { exponentialStep } from "./exponential-integrator.ts";
import { exploding, type Level } from "./level.ts";
import type { Estimate, Question } from "./sampler.ts";
import { combine, follow, slope } from "./vector.ts";

export interface DpmSolverStep {
  x: Float32Array;
  /** The noise in x, (x − x0)/sigma: the first stage, already asked for. */
  epsilon: Float32Array;
  from: Level;
  to: Level;
  /** 1–3; `order` − 1 more calls are made. */
  order: number;
  step: number;
}

/**
 * One singlestep DPM-Solver step in the exploding frame (Lu et al. 2022a, algorithms 1 and 2). Returns the third order's
 * by-product as well: `lower`, one order less with the same first stage, from which a step's error is judged. Rounded
 * operation by operation: the shortest steps' errors are nothing but rounding, and step lengths follow from them.
 */
export function* dpmSolverStep(
  request: DpmSolverStep,
): Generator<Question, { x: Float32Array; lower: Float32Array }, Estimate> {
  const { x, epsilon, from, to, order, step } = request;
  const whole = exponentialStep(from, to, "epsilon");
  const first = follow(x, epsilon, whole.w0);
  if (order === 1) return { x: first, lower: first };

  const [r1, r2] = [order === 3 ? 1 / 3 : 1 / 2, 2 / 3];
  const part = (r: number) => exploding(from.sigma * (to.sigma / from.sigma) ** r);
  const [s1, s2] = [part(r1), part(r2)];
  const x1 = follow(x, epsilon, exponentialStep(from, s1, "epsilon").w0);
  const { x0: clean1 } = yield { x: x1, level: s1, step };
  const bend1 = change(epsilon, slope(x1, clean1, s1.sigma));
  const second = follow(first, bend1, whole.w0 / (2 * r1));
  if (order === 2) return { x: second, lower: first };

  const to2 = exponentialStep(from, s2, "epsilon");
  const x2 = follow(follow(x, epsilon, to2.w0), bend1, (to2.w1 * r2) / r1);
  const { x0: clean2 } = yield { x: x2, level: s2, step };
  const bend2 = change(epsilon, slope(x2, clean2, s2.sigma));
  return { x: follow(first, bend2, whole.w1 / r2), lower: second };
}

function change(from: Float32Array, to: Float32Array): Float32Array {
  return combine([1, to], [-1, from]);
}
