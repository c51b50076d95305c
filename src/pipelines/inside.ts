import { float32, sizeOf, type Tensor } from "../tensor/index.ts";

/** How much each place of a layer looks at each token, by the cross-attention's path: [H, W, S], which adds up to 1 over S. */
export type AttentionMaps = Readonly<Record<string, Tensor<"float32">>>;

/** What the U-Net said of some words. */
export interface Said {
  /** [1, S, D] */
  readonly words: Tensor<"float32">;
  /** In the checkpoint's own prediction type. */
  readonly prediction: Float32Array;
  /** Empty where it was not asked for, and in calls that reuse deep features. */
  readonly attention: AttentionMaps;
}

/** One call of the U-Net. */
export interface UnetCall {
  /** What it saw: [1, C, H, W]. */
  readonly sample: Tensor<"float32">;
  readonly timestep: number;
  readonly said: readonly Said[];
}

/** What went on inside in one call of the sampler. */
export interface StepInside {
  /** The latents as the U-Net saw them, scaled for it, with the further channels of an inpainting model: [1, C, H, W]. */
  readonly seen: Tensor<"float32">;
  /**
   * What the U-Net predicts when told of the prompt (of the first part of a composition) and of the negative prompt, before
   * guidance: [1, C, H, W]. Absent is what has no share in the guided prediction, and so was not computed: the prompt at
   * guidance 0, the negative prompt at 1.
   */
  readonly cond?: Tensor<"float32">;
  readonly uncond?: Tensor<"float32">;
  /** Of the prompt. Empty where it was not asked, and in calls that reuse deep features. */
  readonly attention: AttentionMaps;
}

/** What was said of words, of which `rows` tells where each stands in a batch that came to these maps. */
export function saidOf(
  words: readonly Tensor<"float32">[],
  said: {
    readonly predictions: readonly Float32Array[];
    readonly maps: Readonly<Record<string, Tensor>>;
    readonly rows: readonly number[];
  },
): Said[] {
  const maps = said.maps as AttentionMaps;
  return words.map((embedding, i) => ({
    words: embedding,
    prediction: said.predictions[i]!,
    attention: mapsOf(maps, said.rows[i]!),
  }));
}

/** Those of one of a batch: [B, H, W, S] → [H, W, S]. */
function mapsOf(maps: AttentionMaps, row: number): AttentionMaps {
  const own = Object.entries(maps).map(
    ([
      path,
      {
        shape: [, ...shape],
        data,
      },
    ]) => {
      const size = sizeOf(shape);
      return [path, float32(shape, data.subarray(row * size, (row + 1) * size))] as const;
    },
  );
  return Object.fromEntries(own);
}
