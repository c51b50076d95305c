import { float32, zeros } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import type { Lowering, Lowerings } from "../lower.ts";
import { emit } from "../ops/emit.ts";
import {
  add,
  concat,
  convAttributes,
  matmul,
  mul,
  padImage,
  reduceSum,
  reshape,
  slice,
  transpose,
  zerosLike,
} from "../ops/index.ts";
import { type Dim, fixed } from "../shape.ts";
import { attentionGradient } from "./attention-gradient.ts";
import { centre, type GroupNormAttributes, groupNormGradient } from "./group-norm.ts";
import { plainProduct } from "./products.ts";

/** The transposed convolution; what the stride left over of the input is filled up. */
const convInputGradient: Lowering = (node, [upstream, weight]) => {
  const { strides, pads, kernel_shape } = convAttributes(node);
  const { shape } = node.outputs[0]!;
  const rest = [0, 1].map((i) => {
    const covered = (fixed(upstream!.shape, 2 + i, "Conv") - 1) * strides[i]! + kernel_shape[i]!;
    return fixed(shape, 2 + i, "Conv") + pads[i]! + pads[i + 2]! - covered;
  });
  return emit("ConvTranspose", [upstream, weight], node.outputs[0]!, {
    strides,
    pads,
    kernel_shape,
    output_padding: rest,
  });
};

/**
 * Every place that a kernel's weight looked at, side by side, times the gradients that it led to: one matrix product over the
 * places of all pictures. Written as a convolution it would take two to four times as long; as a product a picture, whose
 * results are added up, small pictures take longer.
 */
const convWeightGradient: Lowering = (node, [upstream, input]) => {
  const { strides, pads, kernel_shape } = convAttributes(node);
  const [batch, features, ...places] = upstream!.shape as [Dim, number, number, number];
  const { shape } = node.outputs[0]!;
  const channels = shape[1] as number;
  const area = places[0] * places[1];
  const padded = pads.some((n) => n > 0) ? padImage(input!, pads) : input!;
  const looks: Value[] = [];
  for (let y = 0; y < kernel_shape[0]; y++) {
    const rows = slice(padded, 2, y, y + strides[0] * (places[0] - 1) + 1, strides[0]);
    for (let x = 0; x < kernel_shape[1]; x++) {
      const seen = slice(rows, 3, x, x + strides[1] * (places[1] - 1) + 1, strides[1]);
      looks.push(reshape(seen, [batch, channels, area]));
    }
  }
  // [B, O, P] · [B, P, k · C]
  const columns = transpose(concat(looks, 1), [0, 2, 1]);
  const towards = reshape(upstream!, [batch, features, area]);
  const summed =
    typeof batch === "number"
      ? matmul(
          reshape(transpose(towards, [1, 0, 2]), [features, batch * area]),
          reshape(columns, [batch * area, looks.length * channels]),
        )
      : reduceSum(matmul(towards, columns), [0], { keep: false });
  return transpose(reshape(summed, [features, ...kernel_shape, channels]), [0, 3, 1, 2]);
};

/** @param column ids […] → […, 1], given how many rows there are */
export const gatherGradient =
  (column: (ids: Value, rows: number) => Value): Lowering =>
  (node, [upstream, ids]) => {
    const shape = node.outputs[0]!.shape as number[];
    const empty = upstream!.graph.constant(zeros("float32", shape));
    const places = column(ids!, shape[0]!);
    return emit("ScatterND", [empty, places, upstream], node.outputs[0]!, { reduction: "add" });
  };

const pickGradient: Lowering = (node, [upstream, ids, input]) => {
  return emit("ScatterElements", [zerosLike(input!), ids, upstream], node.outputs[0]!, { axis: -1 });
};

/** Along each axis a product with the matrix that says which places were copied from where. */
const resizeNearestGradient: Lowering = (node, [upstream]) => {
  const [rows, columns] = [2, 3].map((axis) => {
    const [small, large] = [fixed(node.outputs[0]!.shape, axis, "Resize"), fixed(upstream!.shape, axis, "Resize")];
    const matrix = zeros("float32", [large, small]);
    for (let i = 0; i < large; i++) matrix.data[i * small + Math.floor((i * small) / large)] = 1;
    return upstream!.graph.constant(float32(matrix.shape, matrix.data));
  }) as [Value, Value];
  return matmul(transpose(rows, [1, 0]), matmul(upstream!, columns));
};

const groupNorm: Lowering = (node, [upstream, x, weight]) => {
  const about = node.attributes as unknown as GroupNormAttributes;
  return groupNormGradient(upstream!, centre(x!, about, 1), weight!, about.groups, 1);
};

/** Plus nothing of the other: 0 wherever that is finite; where a gradient is not, nothing is learnt from the step. */
const waiting: Lowering = (_, [x, other]) => {
  if (x!.dtype !== other!.dtype) return x!;
  const one = other!.shape.reduce<Value>((v, _, axis) => slice(v, axis, 0, 1), other!);
  return add(x!, mul(reshape(one, []), 0));
};

/** Gradients of operations whose gradient is one of its own. */
export const gradients: Lowerings = {
  AttentionGradient: attentionGradient(plainProduct),
  GroupNormGradient: groupNorm,
  ConvInputGradient: convInputGradient,
  ConvWeightGradient: convWeightGradient,
  GatherGradient: gatherGradient((ids) => reshape(ids, [...ids.shape, 1])),
  PickGradient: pickGradient,
  ResizeNearestGradient: resizeNearestGradient,
  Waiting: waiting,
};
