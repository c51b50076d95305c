import { InputError } from "../tensor/index.ts";

/** From the least to the greatest. */
export type Range = readonly [low: number, high: number];

/** The least and the greatest of every number that a person may set. The command line refuses by the same table. */
export const limits = {
  steps: [1, 1000],
  guidance: [-100, 100],
  guidanceRescale: [0, 1],
  /** A noise level: the greatest that A1111's own slider has is 15, and no schedule's is beyond 1000. */
  ngms: [0, 1000],
  /** Calls of the network, of which one runs all of it. */
  deepCache: [1, 100],
  /** Of the largest U-Net; each model has its own. */
  deepCacheBranch: [0, 100],
  deepCacheFrom: [0, 1],
  deepCacheLate: [1, 1000],
  /** One of every four places stays. */
  tokenMerging: [0, 0.75],
  eta: [0, 1],
  /** How strongly an adapter works. */
  adapterScale: [-100, 100],
  strength: [0, 1],
  maskBlur: [0, 64],
  seed: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  count: [1, 10_000],
  /** Candidates for one picture. */
  bestOf: [1, 100],
  captions: [1, 100],
  /** Pixels of a side. */
  side: [1, 4096],
  /** GiB that prepared weights may take. */
  preparedLimit: [0, 1_000_000],
} as const satisfies Record<string, Range>;

/** What `--convolutions` takes: the fastest form for each, or one for all. */
export const convolutionChoices = ["auto", "direct", "taps", "winograd-2", "winograd-4"] as const;

/** What `--precision` takes: 16-bit floats where the device has them, or one for every device. */
export const precisionChoices = ["auto", "float32", "float16"] as const;

/** What `--weights` takes: the forms in which weights are computed with. */
export const weightForms = ["float32", "8bit", "4bit"] as const;
export type WeightForm = (typeof weightForms)[number];

/** Pixels of a whole picture that this program will try to hold in memory. */
export const MAX_AREA = 2048 * 2048;

/** @throws InputError naming the setting where it is no whole number of that range */
export function whole(name: string, value: number, [low, high]: Range): number {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new InputError(`${name} is ${value}; it has to be a whole number from ${low} to ${high}.`);
}

/** @throws InputError naming the setting where it is no number of that range */
export function real(name: string, value: number, [low, high]: Range): number {
  if (value >= low && value <= high) return value;
  throw new InputError(`${name} is ${value}; it has to be a number from ${low} to ${high}.`);
}
