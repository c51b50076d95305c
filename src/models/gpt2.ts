/**
 * GPT-2 (Radford et al. 2019) in the layout of transformers' GPT2LMHeadModel.
 * B batch, T new tokens, P tokens before them, S = P + T, C channels, V vocabulary.
 */
import type { Gpt2Config } from "../configs/index.ts";
import {
  add,
  attention,
  cachedAttention,
  concat,
  type Dim,
  Graph,
  gather,
  gelu,
  last,
  linear,
  matmul,
  relu,
  silu,
  slice,
  split,
  type Value,
} from "../graph/index.ts";
import { chain, layerNorm, repeat } from "./layers.ts";

export interface Gpt2Options {
  /** Embeddings may stand before the words: one more input, "prefix" [B, N, C], N from 0 on. Default false. */
  readonly prefixed?: boolean;
  /** Of every token, or of each text's last one. Default: every. */
  readonly logits?: "every" | "last";
}

/**
 * "input_ids" [B, T], "position_ids" [B, T], "attention_bias" [B, 1, T, S], which is added to the scores, and for each
 * layer "past.i.key" and "past.i.value" [B, heads, P, C / heads], P from 0 on → "logits" [B, T, V] (or [B, V]) and the
 * cache of all tokens, "present.i.key" and "present.i.value". What stands in a prefix counts as new tokens, the ids being
 * the rest of T. The output weights are the embedding's.
 */
export function gpt2(config: Gpt2Config, { prefixed = false, logits = "every" }: Gpt2Options = {}): Graph {
  const { n_embd: channels, n_head: heads, layer_norm_epsilon: epsilon } = config;
  const g = new Graph("gpt2");
  const wordTable = g.parameter("wte.weight", [config.vocab_size, channels]);
  const ids = g.input("input_ids", "int64", ["batch", prefixed ? "words" : "tokens"]);
  const prefix = prefixed && g.input("prefix", "float32", ["batch", "prefix", channels]);
  const words = prefix ? concat([prefix, gather(wordTable, ids)], 1, "tokens") : gather(wordTable, ids);
  const positions = g.input("position_ids", "int64", ["batch", "tokens"]);
  const mask = g.input("attention_bias", "float32", ["batch", 1, "tokens", "total"]);
  const places = gather(g.parameter("wpe.weight", [config.n_positions, channels]), positions);

  let h = g.scope("embeddings", () => add(words, places));
  for (const i of repeat(config.n_layer)) {
    const shape: Dim[] = ["batch", heads, "past", channels / heads];
    const past = {
      key: g.input(`past.${i}.key`, "float32", shape),
      value: g.input(`past.${i}.value`, "float32", shape),
    };
    const look = (qkv: Projections): Value => {
      const { attended, cache } = cachedAttention(qkv, past, mask, heads);
      g.output(`present.${i}.key`, cache.key);
      g.output(`present.${i}.value`, cache.value);
      return attended;
    };
    h = g.scope(`h.${i}`, () => block(h, config, look));
  }
  const normed = layerNorm("ln_f", h, epsilon);
  g.output("logits", linear(logits === "last" ? last(normed, 1) : normed, wordTable));
  return g;
}

/** The names of the cache's tensors: ["past.0.key", "present.0.key"], … */
export function cacheNames({ n_layer: layers }: Gpt2Config): readonly (readonly [past: string, present: string])[] {
  return repeat(layers).flatMap((i) =>
    ["key", "value"].map((half) => [`past.${i}.${half}`, `present.${i}.${half}`] as const),
  );
}

export interface WholeTextsOptions {
  /** Of a text. */
  readonly tokens: number;
  /** Embeddings that stand before each text: one more input, "prefix" [B, N, C]. Default 0, none. */
  readonly prefix?: number;
}

/**
 * The same network for whole texts of `tokens` tokens, with nothing before them but a prefix, and nothing kept: "input_ids" [B, T] →
 * "logits" [B, T, V]. What learns is shown texts like this.
 */
export function gpt2WholeTexts(config: Gpt2Config, { tokens, prefix = 0 }: WholeTextsOptions): Graph {
  const { n_embd: channels, n_head: heads } = config;
  const g = new Graph("gpt2");
  const wordTable = g.parameter("wte.weight", [config.vocab_size, channels]);
  const told = gather(wordTable, g.input("input_ids", "int64", ["batch", tokens]));
  const words = prefix > 0 ? concat([g.input("prefix", "float32", ["batch", prefix, channels]), told], 1) : told;
  const places = slice(g.parameter("wpe.weight", [config.n_positions, channels]), 0, 0, prefix + tokens);
  const look = ([q, k, v]: Projections): Value => attention(q, k, v, { heads, causal: true });
  const hidden = chain("h", add(words, places), config.n_layer, (h) => block(h, config, look));
  const read = prefix > 0 ? slice(hidden, 1, prefix, prefix + tokens) : hidden;
  g.output("logits", linear(layerNorm("ln_f", read, config.layer_norm_epsilon), wordTable));
  return g;
}

/** Queries, keys and values, each [B, T, C]. */
type Projections = readonly [Value, Value, Value];

function block(h: Value, config: Gpt2Config, look: (qkv: Projections) => Value): Value {
  const { n_embd: channels, layer_norm_epsilon: epsilon } = config;
  const normed = layerNorm("ln_1", h, epsilon);
  const attended = h.graph.scope("attn", () => {
    const [q, k, v] = split(conv1d("c_attn", normed, 3 * channels), 3, -1) as [Value, Value, Value];
    return conv1d("c_proj", look([q, k, v]), channels);
  });
  const seen = add(h, attended);
  return add(seen, mlp(layerNorm("ln_2", seen, epsilon), config));
}

function mlp(x: Value, { n_inner, n_embd: channels, activation_function: name }: Gpt2Config): Value {
  return x.graph.scope("mlp", () =>
    conv1d("c_proj", ACTIVATIONS[name](conv1d("c_fc", x, n_inner ?? 4 * channels)), channels),
  );
}

/** transformers' Conv1D, a linear layer whose weight is [in, out]. */
function conv1d(name: string, x: Value, features: number): Value {
  const g = x.graph;
  return g.scope(name, () =>
    add(matmul(x, g.parameter("weight", [x.shape.at(-1) as number, features])), g.parameter("bias", [features])),
  );
}

const tanhGelu = (x: Value): Value => gelu(x, "tanh");

const ACTIVATIONS: Readonly<Record<Gpt2Config["activation_function"], (x: Value) => Value>> = {
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu,
  relu,
  silu,
  swish: silu,
};
