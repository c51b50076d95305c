import { float32, floats, int64 } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import type { Lowering, Lowerings } from "../lower.ts";
import { emit, halfOrWhole } from "../ops/emit.ts";
import { add, cast, joinHeads, matmul, mul, reshape, sigmoid, softmax, splitHeads, transpose } from "../ops/index.ts";
import { fixed } from "../shape.ts";
import { fewerBits } from "./fewer-bits.ts";
import { gradients } from "./gradients.ts";

const linear: Lowering = (_, [x, weight, bias]) => {
  const product = matmul(x!, transpose(weight!, [1, 0]));
  return bias ? add(product, bias) : product;
};

/**
 * Each group as one "channel" of an instance normalisation, then the scale and shift of each real channel. The
 * runtime's own GroupNorm kernels exist on CUDA only.
 *
 * @param normalize […, values] → the same with mean 0 and variance 1, given what is added to the variance
 * @param scale x [B, C, …] · weight [C] + bias [C]. Default: as a product and a sum
 */
export const groupNorm =
  (normalize: (grouped: Value, epsilon: number) => Value, scale = perChannel): Lowering =>
  (node, [x, weight, bias]) => {
    const { groups, epsilon } = node.attributes as { groups: number; epsilon: { float: number } };
    const [batch, channels, ...rest] = x!.shape;
    const size = rest.reduce<number>((n, _, i) => n * fixed(rest, i, "GroupNorm"), (channels as number) / groups);
    return scale(reshape(normalize(reshape(x!, [batch!, groups, size]), epsilon.float), x!.shape), weight!, bias!);
  };

/** x [B, C, …] · weight + bias, both [C]. */
function perChannel(x: Value, weight: Value, bias: Value): Value {
  const [, channels, ...rest] = x.shape;
  const each = (v: Value) => reshape(v, [channels!, ...rest.map(() => 1)]);
  return add(mul(x, each(weight)), each(bias));
}

/** Every row of every "channel" of x [B, C, values] by itself. */
export function instanceNorm(x: Value, epsilon: number): Value {
  const channels = fixed(x.shape, 1, "InstanceNormalization");
  const each = (value: number) => x.graph.constant(floats(halfOrWhole(x), [channels], Array(channels).fill(value)));
  const [one, zero] = [each(1), each(0)];
  return emit("InstanceNormalization", [x, one, zero], x, { epsilon: { float: epsilon } });
}

/** As one node of the runtime's own. */
export const attention: Lowering = (node, [query, key, value]) => {
  const { heads, causal } = node.attributes as { heads: number; causal: number };
  return emit("com.microsoft.MultiHeadAttention", [query, key, value], node.outputs[0]!, {
    num_heads: heads,
    unidirectional: causal,
  });
};

const cachedAttention: Lowering = (node, [query, key, value, pastKey, pastValue, mask]) => {
  const { heads } = node.attributes as { heads: number };
  const [, keyType, valueType] = node.outputs;
  const grow = (past: Value, fresh: Value, type: Value) =>
    emit("Concat", [past, splitHeads(fresh, heads)], type, { axis: 2 });
  const keys = grow(pastKey!, key!, keyType!);
  const values = grow(pastValue!, value!, valueType!);
  const queries = splitHeads(mul(query!, 1 / Math.sqrt(fixed(keys.shape, -1, "CachedAttention"))), heads);
  const scores = add(matmul(queries, transpose(keys, [0, 1, 3, 2])), mask!);
  return [joinHeads(matmul(softmax(scores), values)), keys, values];
};

/**
 * By whole factors where it can be: a fraction such as 5/3 is rounded, and the runtime would make 4 places of 3 instead
 * of 5.
 */
const resizeNearest: Lowering = (node, [x]) => {
  const { size } = node.attributes as { size: [number, number] };
  const factors = size.map((length, i) => length / fixed(x!.shape, 2 + i, "ResizeNearest"));
  const whole = factors.every(Number.isInteger);
  const scales = whole ? x!.graph.constant(float32([4], [1, 1, ...factors])) : undefined;
  const sizes = whole ? undefined : x!.graph.constant(int64([2], size));
  return emit("Resize", [x, undefined, scales, ...(sizes ? [sizes] : [])], node.outputs[0]!, {
    ...(sizes && { axes: [2, 3] }),
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor",
  });
};

/** Operations that no device has in one node, written with ones that all have. */
export const common: Lowerings = {
  ...gradients,
  ...fewerBits,
  Linear: linear,
  GroupNorm: groupNorm(instanceNorm),
  Attention: attention,
  CachedAttention: cachedAttention,
  ResizeNearest: resizeNearest,
  Float32: (_, [x]) => cast(x!, "float32"),
  Detach: (_, [x]) => x!,
  Silu: (_, [x]) => mul(x!, sigmoid(x!)),
  QuickGelu: (_, [x]) => mul(x!, sigmoid(mul(x!, 1.702))),
};
