import {
  attentionProbabilities,
  causalMask,
  fixed,
  joinHeads,
  matmul,
  mul,
  splitHeads,
  type Value,
} from "../../graph/index.ts";
import { throughSoftmax, transposed } from "../reverse.ts";
import { type GradientRule, single } from "../rule.ts";

/** With P = softmax(q kᵀ / √d): who looked where is computed again rather than kept, T · S numbers a head. */
const attention: GradientRule = single((node, g) => {
  const [query, key, value] = node.inputs as [Value, Value, Value];
  const { heads, causal } = node.attributes as { heads: number; causal: number };
  const [q, k, v, upstream] = [query, key, value, g].map((x) => splitHeads(x, heads)) as [Value, Value, Value, Value];
  const scale = 1 / Math.sqrt(fixed(query.shape, -1, "Attention") / heads);
  const length = (x: Value) => fixed(x.shape, 1, "The gradient of causal attention");
  const mask = causal ? causalMask(query.graph, length(query), length(key)) : undefined;
  const looks = attentionProbabilities(query, key, heads, mask);
  const towardsScores = mul(throughSoftmax(matmul(upstream, transposed(v)), looks), scale);
  return [
    joinHeads(matmul(towardsScores, k)),
    joinHeads(matmul(transposed(towardsScores), q)),
    joinHeads(matmul(transposed(looks), upstream)),
  ];
});

export const attentions: Readonly<Record<string, GradientRule>> = { Attention: attention };
