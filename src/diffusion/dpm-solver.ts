import { exponentialStep } from "./exponential-integrator.ts";
import { exploding, type Level } from "./level.ts";
import type { Estimate, Question } from "./sampler.ts";
import { combine } from "./vector.ts";

export interface DpmSolverStep {
  x: Float32Array;
  /** The noise in x, already asked for. */
  epsilon: Float32Array;
  from: Level;
  to: Level;
  /** 1–3; `order` − 1 more calls are made. */
  order: number;
  step: number;
  /** Where the second order asks, as a part of the step. Default 1/2. */
  r1?: number;
}

/**
 * One singlestep DPM-Solver step in the exploding frame (Lu et al. 2022a, algorithms 1 and 2). Returns the third order's
 * by-product as well: `lower`, the second order with the same first stage, from which a step's error is judged.
 */
export function* dpmSolverStep(
  request: DpmSolverStep,
): Generator<Question, { x: Float32Array; lower: Float32Array }, Estimate> {
  const { x, epsilon, from, to, order, step } = request;
  const whole = exponentialStep(from, to, "epsilon");
  const first = combine([1, x], [whole.w0, epsilon]);
  if (order === 1) return { x: first, lower: first };

  const r1 = order === 3 ? 1 / 3 : (request.r1 ?? 1 / 2);
  const r2 = 2 / 3;
  const part = (r: number) => exploding(from.sigma * (to.sigma / from.sigma) ** r);
  const [s1, s2] = [part(r1), part(r2)];
  const to1 = exponentialStep(from, s1, "epsilon");
  const { epsilon: epsilon1 } = yield { x: combine([1, x], [to1.w0, epsilon]), level: s1, step };
  const bend = whole.w0 / (2 * r1);
  const second = combine([1, x], [whole.w0 - bend, epsilon], [bend, epsilon1]);
  if (order === 2) return { x: second, lower: first };

  const to2 = exponentialStep(from, s2, "epsilon");
  const bend2 = (to2.w1 * r2) / r1;
  const x2 = combine([1, x], [to2.w0 - bend2, epsilon], [bend2, epsilon1]);
  const { epsilon: epsilon2 } = yield { x: x2, level: s2, step };
  const bend3 = whole.w1 / r2;
  return { x: combine([1, x], [whole.w0 - bend3, epsilon], [bend3, epsilon2]), lower: second };
}
