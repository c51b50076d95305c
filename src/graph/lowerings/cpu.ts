import { int64, sizeOf } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import type { Lowering, Lowerings } from "../lower.ts";
import { emit, emitAll } from "../ops/emit.ts";
import { add, div, mul, reduceMean, reshape, sqrt, sub } from "../ops/index.ts";
import { fixed } from "../shape.ts";
import { attentionGradient } from "./attention-gradient.ts";
import { common } from "./common.ts";
import { fusedProduct, timesTransposed } from "./products.ts";

/** x · σ(αx) in one pass over memory. */
const sigmoidGate =
  (alpha: number): Lowering =>
  (_, [x]) =>
    emit("com.microsoft.QuickGelu", [x], x!, { alpha: { float: alpha } });

/** Of a matrix, Gemm takes the weight as it lies: a transposed copy of GPT-2's word table would be 150 MB. */
const linear: Lowering = (node, inputs) => {
  const [x, weight, bias] = inputs;
  if (x!.shape.length !== 2) {
    const product = timesTransposed(x!, weight!);
    return bias ? add(product, bias) : product;
  }
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

/**
 * With the mean of each row of the picture taken first and that of the group from them. The runtime's instance normalisation
 * adds up a whole group one number after another, which of a hundred thousand leaves ten times torch's error.
 */
const groupNorm: Lowering = (node, [x, weight, bias]) => {
  const { groups, epsilon } = node.attributes as { groups: number; epsilon: { float: number } };
  const [batch, channels, ...rest] = x!.shape;
  const sides = rest.map((_, i) => fixed(rest, i, "GroupNorm"));
  const perGroup = (channels as number) / groups;
  const size = sides.reduce((n, side) => n * side, perGroup);
  const row = sides.at(-1) ?? 1;
  const perChannel = [batch!, channels!, ...rest.map(() => 1)];
  const meanOf = (v: Value) => reduceMean(reduceMean(reshape(v, [batch!, groups, size / row, row]), [3]), [2]);

  const centred = sub(reshape(x!, [batch!, groups, 1, size]), meanOf(x!));
  const variance = meanOf(mul(centred, centred));
  const scale = div(reshape(weight!, [1, groups, perGroup, 1]), sqrt(add(variance, epsilon.float)));
  const scaled = mul(reshape(centred, x!.shape), reshape(scale, perChannel));
  return add(scaled, reshape(bias!, perChannel.slice(1)));
};

/**
 * The same memory under a shape that takes the other's size, less that size, to be told: nothing is copied. ONNX Runtime 1.30
 * makes one Reshape of several in a row and stumbles over a shape that is computed: what is flattened in between is not in a row.
 */
const waiting: Lowering = (_, [x, other]) => {
  const shape = x!.shape as number[];
  const size = emit("Size", [other], { dtype: "int64", shape: [] });
  const none = sub(size, int64([], [sizeOf(other!.shape as number[])]));
  const waited = emit("Reshape", [x, add(none, int64([shape.length], shape))], x!);
  return reshape(emit("Flatten", [waited], { dtype: x!.dtype, shape: [1, sizeOf(shape)] }, { axis: 0 }), shape);
};

export const cpu: Lowerings = {
  ...common,
  Linear: linear,
  GroupNorm: groupNorm,
  CachedAttention: cachedAttention,
  AttentionGradient: attentionGradient(fusedProduct),
  Waiting: waiting,
  Silu: sigmoidGate(1),
  QuickGelu: sigmoidGate(1.702),
};
