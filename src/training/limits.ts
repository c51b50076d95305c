// Not the room's index, which loads more: the command line looks here before anything else.
export { type AdapterFormat, adapterFormats } from "../configs/adapter.ts";

/** How the learning rate goes over a run, as diffusers.optimization has it under these names. */
export const learningRateSchedules = ["constant", "linear", "cosine"] as const;
export type LearningRateSchedule = (typeof learningRateSchedules)[number];

/** What products are computed in; weights and sums are float32 in any case. */
export const trainPrecisions = ["float32", "float16"] as const;

/** How far a value is from another: |x − y|, or (x − y)². */
export const distances = ["l1", "l2"] as const;
export type Distance = (typeof distances)[number];

/**
 * Which layers a LoRA stands beside: attention's projections alone (Hu et al. 2022, diffusers' scripts), all of the
 * transformers' (kohya's), or the convolutions between them as well (kohya's with a conv_dim).
 */
export const loraTargets = ["attention", "transformers", "convolutions"] as const;
export type LoraTarget = (typeof loraTargets)[number];

/** The least and the greatest of every number that a person may set. The command line refuses by the same table. */
export const trainLimits = {
  steps: [1, 100_000_000],
  batch: [1, 65_536],
  accumulate: [1, 65_536],
  /** Of a recipe, for a rehearsal. */
  scale: [1e-9, 1],
  /** Pixels of a side. */
  side: [1, 4096],
  learningRate: [0, 1000],
  warmUp: [0, 100_000_000],
  weightDecay: [0, 1],
  beta2: [0, 0.999_999],
  maxNorm: [0, 1e9],
  ema: [0, 1],
  captionDropout: [0, 1],
  snrGamma: [0, 1e6],
  klWeight: [0, 1e6],
  /** What the opinion of a VAE's discriminator counts. */
  discriminator: [0, 1e6],
  /** Of a text, its beginning and its end counted. */
  tokens: [3, 65_536],
  /** Embeddings before a caption. */
  prefix: [1, 1024],
  rank: [1, 1024],
  alpha: [0, 1e6],
  /** Pictures of what a model knew before it is tuned, and what they count. */
  priorPictures: [1, 100_000],
  priorWeight: [0, 1e6],
  /** Of a new word; what fits into a row of CLIP's tokens. */
  vectors: [1, 75],
  /** Steps between two checkpoints, or two sheets of samples. */
  every: [1, 100_000_000],
  keep: [1, 10_000],
  processes: [1, 64],
  port: [1, 65_535],
  seed: [0, Number.MAX_SAFE_INTEGER],
} as const satisfies Record<string, readonly [number, number]>;
