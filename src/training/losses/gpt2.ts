/**
 * The loss of a language model: the surprise at each next token (Radford et al. 2019, eq. 1).
 * B batch, T tokens, V vocabulary.
 */
import type { Gpt2Config } from "../../configs/index.ts";
import {
  Graph,
  include,
  logSoftmax,
  mul,
  neg,
  pick,
  reduceMean,
  shortIds,
  slice,
  take,
  type Value,
} from "../../graph/index.ts";
import { gpt2WholeTexts } from "../../models/index.ts";

export interface Gpt2LossShape {
  readonly batch: number;
  readonly tokens: number;
}

/**
 * "ids" [B, T] and "weights" [B, T − 1, 1] → "loss", the mean of −log p of all tokens but each text's first, each times its weight:
 * 0 for padding.
 */
export function gpt2Loss(config: Gpt2Config, { batch, tokens }: Gpt2LossShape): Graph {
  const g = new Graph("gpt2_loss");
  const ids = g.input("ids", "int64", [batch, tokens]);
  const { logits } = include(g, "", gpt2WholeTexts(config, { tokens }), { input_ids: ids }, { batch });
  g.output("loss", surprise(logits!, ids));
  return g;
}

/** The weighted mean of −log p at the next of `ids` [B, T], by `logits` [B, T, V]; asks for "weights" [B, T − 1, 1]. */
export function surprise(logits: Value, ids: Value): Value {
  const [batch, tokens] = ids.shape as [number, number];
  const told = logSoftmax(slice(logits, 1, 0, tokens - 1)); // [B, T − 1, V]
  const behind = Array.from({ length: tokens - 1 }, (_, i) => i + 1);
  const next = take(shortIds(ids, logits.shape[2] as number), behind); // [B, T − 1, 1]
  const weights = ids.graph.input("weights", "float32", [batch, tokens - 1, 1]);
  return reduceMean(mul(neg(pick(told, next)), weights), [0, 1, 2], { keep: false });
}
