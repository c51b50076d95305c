import { exploding, type Level } from "./level.ts";
import type { Estimate, Question } from "./sampler.ts";
import { combine, follow, slope } from "./vector.ts";

const { fround } = Math;

export interface DpmSolverStep {
  x: Float32Array;
  /** The noise in x, (x − x0)/sigma: the first stage, already asked for. */
  epsilon: Float32Array;
  /** λ = −log sigma where x lies, and where the step ends. */
  from: number;
  to: number;
  /** 1–3; `order` − 1 more calls are made. */
  order: number;
  step: number;
}

/** The exploding level of λ. */
export function atLambda(lambda: number): Level {
  return exploding(fround(Math.exp(-lambda)));
}

/** λ of an exploding level. */
export function lambdaAt(level: Level): number {
  return fround(-Math.log(level.sigma));
}

/**
 * Where a noisy step from λ to λ' = `to` aims and how much noise brings it back: down the ODE to a λ beyond `to`, though
 * not beyond `end`, then up by `up` (the ancestral step of `ancestralStep`, in float32).
 */
export function aimBeyond(from: number, to: number, end: number, eta: number): { aim: number; up: number } {
  if (eta === 0) return { aim: to, up: 0 };
  const [high, low] = [atLambda(from).sigma ** 2, atLambda(to).sigma ** 2].map(fround) as [number, number];
  const variance = fround(fround(low * fround(high - low)) / high);
  const added = Math.min(atLambda(to).sigma, fround(fround(eta) * fround(Math.sqrt(variance))));
  const aim = Math.min(end, lambdaAt(exploding(fround(Math.sqrt(fround(low - fround(added ** 2)))))));
  return { aim, up: Math.sqrt(fround(low - fround(atLambda(aim).sigma ** 2))) };
}

/**
 * One singlestep DPM-Solver step in the exploding frame (Lu et al. 2022a, algorithms 1 and 2). Returns the higher orders'
 * by-product as well: `lower`, one order less with the same first stage, from which a step's error is judged.
 *
 * λ and latents are rounded to float32 operation by operation. The errors of very short steps are nothing but rounding,
 * and an adaptive walk's step lengths, hence its picture, follow from them.
 */
export function* dpmSolverStep(
  request: DpmSolverStep,
): Generator<Question, { x: Float32Array; lower: Float32Array }, Estimate> {
  const { x, epsilon, from, to, order, step } = request;
  const h = fround(to - from);
  const { sigma } = atLambda(to);
  const growth = fround(Math.expm1(h));
  const first = follow(x, epsilon, -sigma * growth);
  if (order === 1) return { x: first, lower: first };

  const [r1, r2] = [order === 3 ? 1 / 3 : 1 / 2, 2 / 3];
  const [h1, h2] = [fround(fround(r1) * h), fround(fround(r2) * h)];
  const [s1, s2] = [atLambda(fround(from + h1)), atLambda(fround(from + h2))];
  const x1 = follow(x, epsilon, -s1.sigma * fround(Math.expm1(h1)));
  const { x0: clean1 } = yield { x: x1, level: s1, step };
  const bend1 = change(epsilon, slope(x1, clean1, s1.sigma));
  const second = follow(first, bend1, -fround(sigma / (2 * r1)) * growth);
  if (order === 2) return { x: second, lower: first };

  const growth2 = fround(Math.expm1(h2));
  const onward = follow(x, epsilon, -s2.sigma * growth2);
  const x2 = follow(onward, bend1, -fround((s2.sigma * r2) / r1) * fround(fround(growth2 / h2) - 1));
  const { x0: clean2 } = yield { x: x2, level: s2, step };
  const bend2 = change(epsilon, slope(x2, clean2, s2.sigma));
  return { x: follow(first, bend2, -fround(sigma / r2) * fround(fround(growth / h) - 1)), lower: second };
}

function change(from: Float32Array, to: Float32Array): Float32Array {
  return combine([1, to], [-1, from]);
}
