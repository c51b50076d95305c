/** What the times of an engine's parts come to. */

/** Seconds that the parts of one picture took; text and decoder more than once. */
export interface PartTimes {
  /** Of the whole walk. */
  readonly steps: number;
  readonly encode_s: readonly number[];
  /** Of those that were taken. */
  readonly step_s: readonly number[];
  readonly decode_s: readonly number[];
}

/**
 * Seconds of a picture with the model loaded. Text and decoder count the last time, which is warm; steps not taken as the
 * median of those that were.
 */
export function pictureSeconds({ encode_s, step_s, decode_s, steps }: PartTimes): number {
  const taken = step_s.reduce((a, b) => a + b, 0);
  return encode_s.at(-1)! + taken + (steps - step_s.length) * median(step_s) + decode_s.at(-1)!;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
