import { add, fixed, joinHeads, matmul, mul, softmax, splitHeads, type Value } from "../../graph/index.ts";
import { float32 } from "../../tensor/index.ts";
import { throughSoftmax, transposed } from "../reverse.ts";
import { type GradientRule, single } from "../rule.ts";

/** Low enough that nothing is left of it after the exponential. */
const UNSEEN = -1e9;

/** With P = softmax(q kᵀ / √d): who looked where is computed again rather than kept, T · S numbers a head. */
const attention: GradientRule = single((node, g) => {
  const [query, key, value] = node.inputs as [Value, Value, Value];
  const { heads, causal } = node.attributes as { heads: number; causal: number };
  const [q, k, v, upstream] = [query, key, value, g].map((x) => splitHeads(x, heads)) as [Value, Value, Value, Value];
  const scale = 1 / Math.sqrt(fixed(query.shape, -1, "Attention") / heads);
  const scores = mul(matmul(q, transposed(k)), scale);
  const looks = softmax(causal ? add(scores, pastOnly(query, key)) : scores);
  const towardsScores = mul(throughSoftmax(matmul(upstream, transposed(v)), looks), scale);
  return [
    joinHeads(matmul(towardsScores, k)),
    joinHeads(matmul(transposed(towardsScores), q)),
    joinHeads(matmul(transposed(looks), upstream)),
  ];
});

/** [T, S]: added to scores so that a token sees itself and those before. */
function pastOnly(query: Value, key: Value): Value {
  const [tokens, seen] = [query, key].map((x) => fixed(x.shape, 1, "The gradient of causal attention")) as [
    number,
    number,
  ];
  const mask = Float32Array.from({ length: tokens * seen }, (_, i) => (i % seen > Math.floor(i / seen) ? UNSEEN : 0));
  return query.graph.constant(float32([tokens, seen], mask));
}

export const attentions: Readonly<Record<string, GradientRule>> = { Attention: attention };
