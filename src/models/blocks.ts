/**
 * The blocks that the U-Net and the autoencoder are made of, with the names of diffusers' modules.
 * B batch, C channels, H × W places, T places as a sequence, S words.
 */
import {
  add,
  attention,
  concat,
  gelu,
  inFloat32,
  mul,
  padImage,
  reshape,
  resizeNearest,
  silu,
  split,
  type Value,
} from "../graph/index.ts";
import { conv2d, groupNorm, layerNorm, linear, toPicture, toSequence } from "./layers.ts";
import { type MergedPicture, tokenMerging } from "./token-merging.ts";

export interface Norm {
  readonly groups: number;
  readonly epsilon: number;
}

/** ResnetBlock2D (He et al. 2016, pre-activation): x [B, C, H, W], time embedding [B, E] → [B, channels, H, W]. */
export function resnetBlock(x: Value, time: Value | undefined, channels: number, norm: Norm): Value {
  let h = conv2d("conv1", silu(groupNorm("norm1", x, norm)), channels);
  if (time) {
    const shift = linear("time_emb_proj", silu(time), channels);
    h = add(h, reshape(shift, [shift.shape[0]!, channels, 1, 1]));
  }
  h = conv2d("conv2", silu(groupNorm("norm2", h, norm)), channels);
  return add(x.shape[1] === channels ? x : conv2d("conv_shortcut", x, channels, { kernel: 1 }), h);
}

/** Halves a picture with a strided convolution; the autoencoder pads only at the right and the bottom. */
export function downsample(x: Value, padding: "symmetric" | "asymmetric"): Value {
  const channels = x.shape[1] as number;
  if (padding === "symmetric") return conv2d("conv", x, channels, { stride: 2 });
  return conv2d("conv", padImage(x, [0, 0, 1, 1]), channels, { stride: 2, padding: 0 });
}

/** Nearest-neighbour enlargement to twice the size, or to `size`, and a convolution. */
export function upsample(x: Value, size?: readonly [number, number]): Value {
  const [, channels, height, width] = x.shape as [unknown, number, number, number];
  return conv2d("conv", resizeNearest(x, size ?? [2 * height, 2 * width]), channels);
}

export interface AttentionLayer {
  readonly heads: number;
  /** Whether the query, key and value projections have a bias. */
  readonly bias?: boolean;
  /** Its scores are too large for 16-bit floats. */
  readonly upcast?: boolean;
}

/** Attention with its projections: x [B, T, C] looks at `context` [B, S, D], at itself when there is none. */
export function attentionLayer(x: Value, context: Value | undefined, options: AttentionLayer): Value {
  const { heads, bias = false, upcast = false } = options;
  const channels = x.shape[2] as number;
  const seen = context ?? x;
  const q = linear("to_q", x, channels, { bias });
  const k = linear("to_k", seen, channels, { bias });
  const v = linear("to_v", seen, channels, { bias });
  return linear("to_out.0", attention(upcast ? inFloat32(q) : q, k, v, { heads }), channels);
}

/** The gated feed-forward network GEGLU (Shazeer 2020), four times as wide inside: [B, T, C] → [B, T, C]. */
export function feedForward(x: Value): Value {
  const channels = x.shape[2] as number;
  const [value, gate] = split(linear("net.0.proj", x, 8 * channels), 2, -1);
  return linear("net.2", mul(value!, gelu(gate!)), channels);
}

/**
 * BasicTransformerBlock: attention over places, attention to words, feed-forward, each on a residual stream. With `merging`
 * attention over places sees fewer of them.
 */
export function transformerBlock(x: Value, words: Value, look: AttentionLayer, merging?: MergedPicture): Value {
  const g = x.graph;
  const norm1 = layerNorm("norm1", x);
  const { merge, unmerge } = merging ? tokenMerging(inFloat32(x), merging) : { merge: same, unmerge: same };
  let h = add(unmerge(g.scope("attn1", () => attentionLayer(merge(norm1), undefined, look))), x);
  const norm2 = layerNorm("norm2", h);
  h = add(
    g.scope("attn2", () => attentionLayer(norm2, words, look)),
    h,
  );
  const norm3 = layerNorm("norm3", h);
  return add(
    g.scope("ff", () => feedForward(norm3)),
    h,
  );
}

function same(x: Value): Value {
  return x;
}

export interface SpatialTransformer extends Pick<AttentionLayer, "heads" | "upcast"> {
  readonly norm: Norm;
  /** Project in and out with matrices (SD 2) instead of 1×1 convolutions (SD 1): the same numbers in other shapes. */
  readonly linearProjection: boolean;
  readonly layers?: number;
  /** Which share of the places is merged into others where attention looks at them. Default: none. */
  readonly merged?: number;
}

/** Transformer2DModel (Rombach et al. 2022, §3.3): x [B, C, H, W], words [B, S, D] → [B, C, H, W]. */
export function spatialTransformer(x: Value, words: Value, options: SpatialTransformer): Value {
  const { heads, upcast, norm, linearProjection, layers = 1, merged = 0 } = options;
  const [, channels, height, width] = x.shape as [unknown, number, number, number];
  const merging = merged > 0 ? { height, width, share: merged } : undefined;
  let h = groupNorm("norm", x, norm);
  h = linearProjection
    ? linear("proj_in", toSequence(h), channels)
    : toSequence(conv2d("proj_in", h, channels, { kernel: 1 }));
  for (let i = 0; i < layers; i++)
    h = x.graph.scope(`transformer_blocks.${i}`, () => transformerBlock(h, words, { heads, upcast }, merging));
  h = linearProjection
    ? toPicture(linear("proj_out", h, channels), height, width)
    : conv2d("proj_out", toPicture(h, height, width), channels, { kernel: 1 });
  return add(h, x);
}

/** Joins a picture with what the way down had kept for it. */
export function joinSkip(x: Value, skip: Value): Value {
  return concat([x, skip], 1);
}
