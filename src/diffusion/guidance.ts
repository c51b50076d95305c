import { combine, standardDeviation } from "./vector.ts";

/**
 * Classifier-free guidance: uncond + scale · (cond − uncond) (Ho & Salimans 2022, eq. 6, with scale = w + 1), at every
 * scale. 0 ignores the prompt and 1 is the prompt alone, both exactly: the caller need not compute the other half.
 */
export function guide(uncond: Float32Array, cond: Float32Array, scale: number): Float32Array {
  return combine([1 - scale, uncond], [scale, cond]);
}

/**
 * The shares of the unconditional prediction and of each conditional one in uncond + scale · Σ wᵢ (condᵢ − uncond), which
 * is guidance towards several prompts at once (Liu et al. 2022, eq. 11). A prediction whose share is 0 need not be computed.
 */
export function guidanceShares(weights: readonly number[], scale: number): number[] {
  const pull = weights.reduce((sum, weight) => sum + weight, 0);
  return [1 - scale * pull, ...weights.map((weight) => scale * weight)];
}

/**
 * Pulls a guided prediction back to the spread of the conditional one, against over-exposure (Lin et al. 2023, § 3.4,
 * eq. 14–16). `amount` 0 leaves it, 1 matches the standard deviation; each of `batch` pictures by itself.
 */
export function rescaleGuidance(guided: Float32Array, cond: Float32Array, amount: number, batch = 1): Float32Array {
  const out = new Float32Array(guided.length);
  const size = guided.length / batch;
  for (let start = 0; start < guided.length; start += size) {
    const picture = guided.subarray(start, start + size);
    const ratio = standardDeviation(cond.subarray(start, start + size)) / standardDeviation(picture);
    out.set(combine([amount * ratio + (1 - amount), picture]), start);
  }
  return out;
}

/** Steps of a walk, counted from 0: those from `first` on and before `end`. */
export interface StepRange {
  readonly first: number;
  readonly end: number;
}

/**
 * The steps in which guidance works (Kynkäänniemi et al. 2024): from ⌊from · steps⌋ on and before ⌊to · steps⌋, as
 * diffusers' guiders take their `start` and `stop`. Elsewhere the prompt alone is used.
 */
export function guidedSteps(steps: number, [from, to]: readonly [number, number] = [0, 1]): StepRange {
  return { first: Math.floor(from * steps), end: Math.floor(to * steps) };
}

/**
 * Whether guidance rests in a call, counted from 0: in every second one while the noise level is below `least`. A1111's
 * "negative guidance minimum sigma" (NGMS); 0 is never.
 */
export function guidanceRests(call: number, sigma: number, least: number): boolean {
  return call % 2 === 1 && sigma < least;
}
