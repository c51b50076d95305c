import type { Lowering, Lowerings } from "../lower.ts";
import { emit, emitAll } from "../ops/emit.ts";
import { common } from "./common.ts";

/** x · σ(αx) in one pass over memory. */
const sigmoidGate =
  (alpha: number): Lowering =>
  (_, [x]) =>
    emit("com.microsoft.QuickGelu", [x], x!, { alpha: { float: alpha } });

/** Of a matrix, Gemm takes the weight as it lies: a transposed copy of GPT-2's word table would be 150 MB. */
const linear: Lowering = (node, inputs) => {
  const [x, weight, bias] = inputs;
  if (x!.shape.length !== 2) return common["Linear"]!(node, inputs);
  return emit("Gemm", [x!, weight!, bias], node.outputs[0]!, { transB: 1 });
};

/** One node instead of fourteen: for a token they take longer to start than to compute. */
const cachedAttention: Lowering = (node, [query, key, value, pastKey, pastValue, mask]) => {
  const { heads } = node.attributes as { heads: number };
  return emitAll(
    "com.microsoft.MultiHeadAttention",
    [query, key, value, undefined, undefined, mask, pastKey, pastValue],
    node.outputs,
    { num_heads: heads },
  );
};

export const cpu: Lowerings = {
  ...common,
  Linear: linear,
  CachedAttention: cachedAttention,
  Silu: sigmoidGate(1),
  QuickGelu: sigmoidGate(1.702),
};
