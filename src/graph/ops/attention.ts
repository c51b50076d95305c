import { float32 } from "../../tensor/index.ts";
import type { Attributes, Graph, TensorType, Value } from "../graph.ts";
import { type Dim, fixed, ShapeError, showShape } from "../shape.ts";
import { add, mul } from "./elementwise.ts";
import { at, emit, emitAll } from "./emit.ts";
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

/** The gradients of query, key and value, from that of what `attention` made of them, and that itself. */
export function attentionGradient(
  upstream: Value,
  [query, key, value]: readonly [Value, Value, Value],
  attended: Value,
  attributes: Attributes,
): [query: Value, key: Value, value: Value] {
  const operands = [upstream, query, key, value, attended];
  return emitAll("AttentionGradient", operands, [query, key, value], attributes) as [Value, Value, Value];
}

/** Keys and values of the tokens that were seen, each [B, heads, S, d]. */
export interface KeyValueCache {
  readonly key: Value;
  readonly value: Value;
}

/**
 * Attention of new tokens to those before them and to each other: query, key and value [B, T, C] of the new ones, the
 * cache of the P old ones, and what is added to the scores, mask [B, 1, T, P + T] (0 where a token is seen, a large
 * negative number where not) → [B, T, C] and the cache of all.
 */
export function cachedAttention(
  [query, key, value]: readonly [Value, Value, Value],
  past: KeyValueCache,
  mask: Value,
  heads: number,
): { readonly attended: Value; readonly cache: KeyValueCache } {
  const where = at("CachedAttention", query);
  const [, , , total] = mask.shape;
  const grown = (old: Value, fresh: Value): TensorType => {
    const [batch, , , width] = old.shape;
    if (fixed(fresh.shape, -1, where) !== heads * fixed(old.shape, -1, where) || old.shape[1] !== heads) {
      throw new ShapeError(`${where}: ${showShape(fresh.shape)} does not go on from a cache ${showShape(old.shape)}.`);
    }
    return { dtype: fresh.dtype, shape: [batch!, heads, total!, width!] };
  };
  const types = [query, grown(past.key, key), grown(past.value, value)];
  const [attended, allKeys, allValues] = emitAll(
    "CachedAttention",
    [query, key, value, past.key, past.value, mask],
    types,
    { heads },
  );
  return { attended: attended!, cache: { key: allKeys!, value: allValues! } };
}

/** x [B, T, heads · d] → [B, heads, T, d]. */
export function splitHeads(x: Value, heads: number): Value {
  const [batch, tokens] = x.shape;
  const width = fixed(x.shape, -1, at("splitHeads", x)) / heads;
  return transpose(reshape(x, [batch!, tokens!, heads, width]), [0, 2, 1, 3]);
}

/** x [B, heads, T, d] → [B, T, heads · d]. */
export function joinHeads(x: Value): Value {
  const [batch, heads, tokens, width] = x.shape as [Dim, number, Dim, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * width]);
}

/**
 * Who looks where: softmax(q kᵀ / √d + mask) as [B, heads, T, S]; what an attention map is drawn from.
 *
 * @param mask added to the scores, [T, S]. Default: none
 */
export function attentionProbabilities(query: Value, key: Value, heads: number, mask?: Value): Value {
  const width = fixed(query.shape, -1, at("Attention", query)) / heads;
  const products = matmul(splitHeads(query, heads), transpose(splitHeads(key, heads), [0, 1, 3, 2]));
  const scores = mul(products, 1 / Math.sqrt(width));
  return softmax(mask ? add(scores, mask) : scores);
}

/** What is added to scores so that tokens `first`… see themselves and those before: [tokens, seen]. */
export function causalMask(graph: Graph, tokens: number, seen: number, first = 0): Value {
  const mask = Float32Array.from({ length: tokens * seen }, (_, i) =>
    i % seen > first + Math.floor(i / seen) ? -3.4e38 : 0,
  );
  return graph.constant(float32([tokens, seen], mask));
}
