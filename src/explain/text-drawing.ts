import { clipText, clipTextConfig } from "../models/index.ts";
import type { OpenModel } from "../pipelines/inkling.ts";
import { sizeOf } from "../tensor/index.ts";

/** A part of the text transformer, as it is drawn. */
export interface TextPart {
  /** In the checkpoint's own words: "text_model.encoder.layers.3". */
  readonly path: string;
  readonly kind: "table" | "layer" | "norm";
  /** Numbers that were learnt. */
  readonly weights: number;
}

export interface TextDrawing {
  /** Tokens of a row. */
  readonly tokens: number;
  /** Numbers that stand for each token, before every layer and after. */
  readonly width: number;
  /** Of each layer's attention: each has its share of the width. */
  readonly heads: number;
  /** Numbers in the middle of each layer's feed-forward half. */
  readonly inner: number;
  readonly parts: readonly TextPart[];
  readonly weights: number;
}

const PART = /^text_model\.(?:embeddings|encoder\.layers\.\d+|final_layer_norm)(?=\.)/;

/** The text transformer's parts in the order in which they are computed (Radford et al. 2021, § 2.4): read off its graph. */
export function textDrawing({ facts, tokenizer }: Pick<OpenModel, "facts" | "tokenizer">): TextDrawing {
  const { config: file, configFile } = facts.checkpoint.textEncoder;
  const config = clipTextConfig(file, configFile);
  const weights = new Map<string, number>();
  for (const [name, { shape }] of clipText(config, { tokens: tokenizer.maxLength }).parameters) {
    const path = PART.exec(name)?.[0] ?? name;
    weights.set(path, (weights.get(path) ?? 0) + sizeOf(shape as number[]));
  }
  const kindOf = (path: string) =>
    path.endsWith("embeddings") ? "table" : path.endsWith("final_layer_norm") ? "norm" : "layer";
  return {
    tokens: tokenizer.maxLength,
    width: config.hidden_size,
    heads: config.num_attention_heads,
    inner: config.intermediate_size,
    parts: Array.from(weights, ([path, count]) => ({ path, kind: kindOf(path), weights: count })),
    weights: Array.from(weights.values()).reduce((sum, count) => sum + count, 0),
  };
}
