/**
 * The loss of a language model: the surprise at each next token (Radford et al. 2019, eq. 1).
 * B batch, T tokens, V vocabulary.
 */
import type { Gpt2Config } from "../../configs/index.ts";
import { Graph, include, logSoftmax, neg, pick, reduceMean, reshape, slice } from "../../graph/index.ts";
import { gpt2WholeTexts } from "../../models/index.ts";

export interface Gpt2LossShape {
  readonly batch: number;
  readonly tokens: number;
}

/** "ids" [B, T] → "loss", the mean of −log p over all tokens but each text's first. */
export function gpt2Loss(config: Gpt2Config, { batch, tokens }: Gpt2LossShape): Graph {
  const g = new Graph("gpt2_loss");
  const ids = g.input("ids", "int64", [batch, tokens]);
  const { logits } = include(g, "", gpt2WholeTexts(config, { tokens }), { input_ids: ids }, { batch });
  const told = logSoftmax(slice(logits!, 1, 0, tokens - 1)); // [B, T − 1, V]
  const next = reshape(slice(ids, 1, 1, tokens), [batch, tokens - 1, 1]);
  g.output("loss", reduceMean(neg(pick(told, next)), [0, 1, 2], { keep: false }));
  return g;
}
