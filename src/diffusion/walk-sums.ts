import type { DrawNoise, Stretch } from "./brownian.ts";
import type { Denoiser } from "./denoiser.ts";
import { ratioOf } from "./level.ts";
import type { Walker } from "./sampler.ts";

/**
 * A walk in which no number of a latent decides anything: all that the network is shown, and what the walk ends with, are
 * sums of the same vectors with weights that are known beforehand. The vectors are the latents that the walk starts from,
 * then the network's predictions, call by call, then the draws of noise that are used.
 */
export interface WalkSums {
  /** How many vectors there are. */
  readonly vectors: number;
  /** What the network is shown, call by call. */
  readonly shown: readonly ShownSum[];
  /** The latents that the walk ends with. */
  readonly last: VectorSum;
}

export interface VectorSum {
  /** One for each vector; 0 for those that are not there yet. */
  readonly weights: Float32Array;
  /** Noise that is drawn before it, in that order. */
  readonly draws: readonly SumDraw[];
}

export interface ShownSum extends VectorSum {
  readonly timestep: number;
  /** Noise-to-signal ratio √((1 − ᾱ)/ᾱ) at which the network is asked. */
  readonly sigma: number;
}

export interface SumDraw {
  readonly stretch?: Stretch;
  /** Which of the vectors it is. Absent where no sum has a part of it, as with churn that is off. */
  readonly vector?: number;
}

/** The vector that the prediction of a call, counted from 0, is. */
export function vectorOfCall(call: number): number {
  return 1 + call;
}

/**
 * Walks on weights: unit vectors stand for the vectors, so that a sampler's arithmetic comes to the weights of its sums.
 *
 * @param counts how many calls and draws the walk has
 * @returns undefined where a weight is not finite
 */
export function sumsOf(
  start: (x: Float32Array, noise: DrawNoise) => Walker,
  { interpret, scaleInput, timestepOf }: Denoiser,
  counts: { readonly calls: number; readonly draws: number },
): WalkSums | undefined {
  const firstDraw = vectorOfCall(counts.calls);
  const unit = (at: number): Float32Array => {
    const vector = new Float32Array(firstDraw + counts.draws);
    vector[at] = 1;
    return vector;
  };
  const stretches: (Stretch | undefined)[] = [];
  const walker = start(unit(0), (stretch) => unit(firstDraw + stretches.push(stretch) - 1));

  const all: { weights: Float32Array; drawn: number }[] = [];
  const asked: Omit<ShownSum, keyof VectorSum>[] = [];
  let turn = walker.next();
  while (!turn.done) {
    const { x, level } = turn.value;
    const prediction = unit(vectorOfCall(asked.length));
    asked.push({ timestep: timestepOf(level), sigma: ratioOf(level) });
    all.push({ weights: scaleInput(x, level), drawn: stretches.length });
    turn = walker.next({ ...interpret(prediction, x, level), prediction });
  }
  all.push({ weights: turn.value, drawn: stretches.length });
  if (!all.every(({ weights }) => weights.every(Number.isFinite))) return undefined;

  const isUsed = (at: number): boolean => at < firstDraw || all.some(({ weights }) => weights[at] !== 0);
  const used = [...unit(0).keys()].filter(isUsed);
  const sums = all.map(({ weights, drawn }, i): VectorSum => {
    const draws = stretches.slice(all[i - 1]?.drawn ?? 0, drawn).map((stretch, k): SumDraw => {
      const at = firstDraw + (all[i - 1]?.drawn ?? 0) + k;
      return { ...(stretch && { stretch }), ...(isUsed(at) && { vector: used.indexOf(at) }) };
    });
    return { weights: Float32Array.from(used, (at) => weights[at]!), draws };
  });
  return {
    vectors: used.length,
    shown: asked.map((place, call) => ({ ...place, ...sums[call]! })),
    last: sums.at(-1)!,
  };
}
