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

/**
 * Whether guidance works at this point of the walk: only where from ≤ progress ≤ to (Kynkäänniemi et al. 2024), each a
 * part 0–1 of the walk. Outside, the prompt alone is used.
 */
export function guidanceApplies(progress: number, [from, to]: readonly [number, number] = [0, 1]): boolean {
  return progress >= from && progress <= to;
}
