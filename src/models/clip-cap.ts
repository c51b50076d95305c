/**
 * ClipCap (Mokady et al. 2021): a picture's CLIP embedding becomes a few embeddings that stand before GPT-2's words.
 * B batch, D values of the picture's embedding, H hidden, N embeddings of the prefix, C channels of GPT-2.
 */
import type { ClipCapConfig } from "../configs/index.ts";
import { Graph, mul, reshape, tanh } from "../graph/index.ts";
import { linear } from "./layers.ts";

export interface ClipCapWidths {
  /** H, as the weights have it. */
  readonly hidden: number;
  /** C. */
  readonly channels: number;
}

/** The mapping network in its form of two layers: "image_embeds" [B, D], each of length 1 → "prefix" [B, N, C]. */
export function clipCapPrefix(config: ClipCapConfig, { hidden, channels }: ClipCapWidths): Graph {
  const { tokens, embedding_scale: scale, clip_dim: width } = config;
  const g = new Graph("prefix");
  const picture = g.input("image_embeds", "float32", ["batch", width]);
  const seen = tanh(linear("fc1", mul(picture, scale), hidden));
  g.output("prefix", reshape(linear("fc2", seen, tokens * channels), ["batch", tokens, channels]));
  return g;
}
