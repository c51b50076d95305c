import type { Value } from "../graph.ts";
import { fixed, ShapeError, showShape } from "../shape.ts";
import { mul } from "./elementwise.ts";
import { at, emit } from "./emit.ts";
import { matmul } from "./linear.ts";
import { softmax } from "./normalization.ts";
import { reshape, transpose } from "./shape.ts";

export interface AttentionOptions {
  readonly heads: number;
  /** A token sees itself and those before it. */
  readonly causal?: boolean;
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1) with `heads` heads of width C / heads:
 * query [B, T, C], key [B, S, C], value [B, S, D] → [B, T, D].
 */
export function attention(query: Value, key: Value, value: Value, { heads, causal = false }: AttentionOptions): Value {
  const where = at("Attention", query);
  const channels = fixed(query.shape, -1, where);
  if (channels % heads !== 0) throw new ShapeError(`${where}: ${channels} channels do not divide into ${heads} heads.`);
  if (key.shape.at(-1) !== channels || key.shape[1] !== value.shape[1]) {
    throw new ShapeError(
      `${where}: query ${showShape(query.shape)}, key ${showShape(key.shape)} and value ${showShape(value.shape)} do not fit.`,
    );
  }
  const shape = [...query.shape.slice(0, -1), value.shape.at(-1)!];
  return emit("Attention", [query, key, value], { dtype: query.dtype, shape }, { heads, causal: Number(causal) });
}

/** x [B, T, heads · d] → [B, heads, T, d]. */
export function splitHeads(x: Value, heads: number): Value {
  const [batch, tokens] = x.shape;
  const width = fixed(x.shape, -1, at("splitHeads", x)) / heads;
  return transpose(reshape(x, [batch!, tokens!, heads, width]), [0, 2, 1, 3]);
}

/** Who looks where: softmax(q kᵀ / √d) as [B, heads, T, S]; what an attention map is drawn from. */
export function attentionProbabilities(query: Value, key: Value, heads: number): Value {
  const width = fixed(query.shape, -1, at("Attention", query)) / heads;
  const scores = matmul(splitHeads(query, heads), transpose(splitHeads(key, heads), [0, 1, 3, 2]));
  return softmax(mul(scores, 1 / Math.sqrt(width)));
}
