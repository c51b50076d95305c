import { float32, int64, type Tensor } from "../../tensor/index.ts";
import type { Node, Value } from "../graph.ts";
import { emit, emitAll } from "../ops/emit.ts";
import { add, div, mul, neg, reshape, transpose } from "../ops/index.ts";
import type { Dim } from "../shape.ts";
import { placesUnderKernel } from "./places.ts";

/** A feature of zeros has a scale all the same. */
const TINY = 1e-30;

export interface BytesOptions {
  /**
   * The processor multiplies unsigned with signed bytes without overflow: Arm does, x86 from VNNI on. Elsewhere weights are
   * unsigned, around 128: the same numbers, at half the speed. Default false.
   */
  readonly signedBytes?: boolean;
}

/**
 * A convolution in whole numbers of 8 bits: x [B, H, W, C], weight [K, C, kh, kw], bias [K] → [B, H', W', K]. Weights are
 * codes with a scale for each of the K features, max|w| / 127; x is rounded to 255 steps between its least and greatest
 * number as it comes, 0 among them. Sums are exact, and widened by the scales.
 *
 * One scale for all of x is coarser than one for every block of it (fewer-bits.ts), and takes a third of the time: what a
 * convolution sees was normalised mostly, and has few numbers far from the others.
 */
export function convolveBytes(
  [x, weight, bias]: readonly [Value, Value, Value | undefined],
  node: Node,
  { signedBytes = false }: BytesOptions,
): Value {
  const [features, channels, ...kernel] = weight.shape as [number, number, number, number];
  const { codes, scales, zero } = quantize(weight, signedBytes);
  const types = [{ dtype: "uint8" as const, shape: x.shape }, scalar("float32"), scalar("uint8")];
  const [bytes, step, middle] = emitAll("DynamicQuantizeLinear", [x], types) as [Value, Value, Value];
  const seen = placesUnderKernel(bytes, node, { border: middle });
  const [, , rows, columns] = node.outputs[0]!.shape as [Dim, Dim, number, number];
  const [batch, places] = seen.shape as [Dim, number];
  const matrix = reshape(transpose(codes, [2, 3, 1, 0]), [kernel[0]! * kernel[1]! * channels, features]);
  const y = emit("com.microsoft.MatMulIntegerToFloat", [seen, matrix, step, scales, middle, zero, bias], {
    dtype: "float32",
    shape: [batch, places, features],
  });
  return reshape(y, [batch, rows, columns, features]);
}

const scalar = <D extends "float32" | "uint8">(dtype: D) => ({ dtype, shape: [] });

/** weight [K, …] → codes of its shape, a scale for each feature [K], and the code that stands for 0. */
function quantize(weight: Value, signed: boolean) {
  const g = weight.graph;
  const features = weight.shape[0] as number;
  const rows = reshape(weight, [features, weight.shape.slice(1).reduce<number>((n, dim) => n * (dim as number), 1)]);
  const over = (op: string) =>
    emit(op, [rows, g.constant(int64([1], [1]))], { dtype: "float32", shape: [features] }, { keepdims: 0 });
  const max = (a: Value, b: Value) => emit("Max", [a, b], a);
  const scales = max(div(max(over("ReduceMax"), neg(over("ReduceMin"))), 127), g.constant(float32([], [TINY])));
  const zeros = middleOf(signed, [features]);
  const codes = emit(
    "QuantizeLinear",
    [weight, scales, g.constant(zeros)],
    { dtype: zeros.dtype, shape: weight.shape },
    { axis: 0 },
  );
  // Codes are finite whatever they stand for. A weight that is not has to show in what comes out, as it does without them.
  return { codes, scales: add(scales, mul(over("ReduceSum"), 0)), zero: g.constant(middleOf(signed, [])) };
}

/** A tensor full of the code that stands for 0. */
function middleOf(signed: boolean, shape: readonly number[]): Tensor {
  const count = shape.reduce((n, dim) => n * dim, 1);
  return signed
    ? { dtype: "int8", shape, data: new Int8Array(count) }
    : { dtype: "uint8", shape, data: new Uint8Array(count).fill(128) };
}
