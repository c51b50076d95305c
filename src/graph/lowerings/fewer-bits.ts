import { float32, int64, type Tensor } from "../../tensor/index.ts";
import { BLOCK, IN_BITS, type WeightBits } from "../fewer-bits.ts";
import type { Node, Value } from "../graph.ts";
import type { Lowering, Lowerings } from "../lower.ts";
import { emit } from "../ops/emit.ts";
import { add, concat, convAttributes, div, mul, neg, reshape, slice, transpose } from "../ops/index.ts";
import type { Dim } from "../shape.ts";
import { placesUnderKernel } from "./places.ts";

/** A block of zeros has a scale all the same. */
const TINY = 1e-30;
/** The runtime may round x to 8 bits, block by block and row by row, and add up in integers. */
const IN_INTEGERS = 4;
/** Bytes that the places under a kernel may take, side by side, before a picture is convolved in bands. */
const MOST_PLACES = 2 ** 26;
/** What a named batch is taken for: a prompt and its negative. */
const USUAL_BATCH = 2;

/** A weight in fewer bits: value = (code − middle) · scale. */
interface Codes {
  readonly bits: WeightBits;
  /** [rows, blocks, bytes of a block] */
  readonly codes: Value;
  /** [rows · blocks] */
  readonly scales: Value;
}

const linear: Lowering = (node, [x, weight, bias]) => {
  const [rows, length] = weight!.shape as [number, number];
  const blocks = reshape(weight!, [rows, length / BLOCK, BLOCK]);
  return product(x!, quantize(blocks, 2, [0, 1, 2], bitsOf(node)), bias);
};

const matmul: Lowering = (node, [x, weight]) => {
  const [length, columns] = weight!.shape as [number, number];
  const blocks = reshape(weight!, [length / BLOCK, BLOCK, columns]);
  return product(x!, quantize(blocks, 1, [2, 0, 1], bitsOf(node)), undefined);
};

const conv: Lowering = (node, [x, weight, bias]) =>
  transpose(convolveInBits([transpose(x!, [0, 2, 3, 1]), weight!, bias], node), [0, 3, 1, 2]);

/** Operations whose weight is kept in fewer bits, on every device. */
export const fewerBits: Lowerings = {
  [IN_BITS.Linear]: linear,
  [IN_BITS.MatMul]: matmul,
  [IN_BITS.Conv]: conv,
};

/**
 * A convolution as one product of the places under its kernel, side by side: x [B, H, W, C], weight [K, C, …], bias [K] →
 * [B, H', W', K]. A block is of one place's channels, in the weight as in x.
 */
export function convolveInBits([x, weight, bias]: readonly [Value, Value, Value | undefined], node: Node): Value {
  const [features, channels, ...kernel] = weight.shape as [number, number, number, number];
  const taps = kernel[0] * kernel[1];
  const blocks = reshape(weight, [features, channels / BLOCK, BLOCK, taps]);
  const codes = quantize(blocks, 2, [0, 3, 1, 2], bitsOf(node));
  if (isOnePlace(node)) return product(x, codes, bias);
  const [batch, , rows, columns] = node.outputs[0]!.shape as [Dim, Dim, number, number];
  const row = 4 * (typeof batch === "number" ? batch : USUAL_BATCH) * columns * taps * channels;
  const most = Math.max(1, Math.floor(MOST_PLACES / row));
  const bands = Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const [first, end] = [i * most, Math.min(rows, (i + 1) * most)];
    return product(placesUnderKernel(x, node, { first, end }), codes, bias);
  });
  return reshape(bands.length === 1 ? bands[0]! : concat(bands, 1), [batch, rows, columns, features]);
}

/** Whether each place is computed of the same one alone: a matrix product of the picture as it lies. */
export function isOnePlace(node: Node): boolean {
  const { kernel_shape, strides, pads } = convAttributes(node);
  return [...kernel_shape, ...strides].every((n) => n === 1) && pads.every((n) => n === 0);
}

export const bitsOf = ({ attributes }: Node): WeightBits => attributes["bits"] as WeightBits;

/**
 * A code for each number of `weight`, whose `axis` is one block, and a scale for each block.
 *
 * @param order of the axes as they are to lie: rows first, the block last
 */
function quantize(weight: Value, axis: number, order: readonly number[], bits: WeightBits): Codes {
  const g = weight.graph;
  const shape = weight.shape.map((dim, i) => (i === axis ? 1 : dim)) as number[];
  const over = (op: string) => emit(op, [weight, g.constant(int64([1], [axis]))], { dtype: "float32", shape });
  const scales = scalesOf(over("ReduceMax"), over("ReduceMin"), bits);
  const middle = emit("Expand", [g.constant(uint8(2 ** (bits - 1))), g.constant(int64([shape.length], shape))], {
    dtype: "uint8",
    shape,
  });
  const codes = emit(
    "QuantizeLinear",
    [weight, scales, middle],
    { dtype: "uint8", shape: weight.shape },
    { axis, block_size: BLOCK },
  );
  // Codes are finite whatever they stand for. A weight that is not has to show in what comes out, as it does without them.
  const honest = add(scales, mul(over("ReduceSum"), 0));
  const [rows] = order.map((i) => weight.shape[i]! as number);
  const blocks = shape.reduce((n, dim) => n * dim, 1) / rows!;
  const lying = (v: Value) => (order.every((from, to) => from === to) ? v : transpose(v, order));
  const rowsOfCodes = reshape(lying(codes), [rows!, blocks, BLOCK]);
  return {
    bits,
    codes: bits === 8 ? rowsOfCodes : inPairs(rowsOfCodes),
    scales: reshape(lying(honest), [rows! * blocks]),
  };
}

/**
 * In 8 bits the largest of a block, to either side, is the last code. In 4 bits, where a code more or less counts, it is the
 * first one of all 16, and what lies as far to the other side is cut off, by a step at most.
 */
function scalesOf(max: Value, min: Value, bits: WeightBits): Value {
  const larger = emit("Max", [max, neg(min)], max);
  if (bits === 8) return emit("Max", [div(larger, 127), larger.graph.constant(float32([], [TINY]))], max);
  const isAbove = emit("Greater", [max, neg(min)], { dtype: "bool", shape: max.shape });
  return add(div(emit("Where", [isAbove, max, min], max), -8), TINY);
}

/** Codes of 4 bits, two in a byte, the first in its lower half: [rows, blocks, BLOCK] → [rows, blocks, BLOCK / 2]. */
function inPairs(codes: Value): Value {
  const g = codes.graph;
  const most = emit("Clip", [codes, undefined, g.constant(uint8(15))], codes);
  const half = (first: number) => slice(most, 2, first, BLOCK, 2);
  const [low, high] = [half(0), half(1)];
  const shifted = emit("BitShift", [high, g.constant(uint8(4))], high, { direction: "LEFT" });
  return emit("BitwiseOr", [low, shifted], low);
}

/** x · weightᵀ + bias: x […, in] → […, rows]. */
function product(x: Value, { bits, codes, scales }: Codes, bias: Value | undefined): Value {
  const [rows, blocks] = codes.shape as [number, number];
  return emit(
    "com.microsoft.MatMulNBits",
    [x, codes, scales, undefined, undefined, bias],
    { dtype: "float32", shape: [...x.shape.slice(0, -1), rows] },
    { K: blocks * BLOCK, N: rows, bits, block_size: BLOCK, accuracy_level: IN_INTEGERS },
  );
}

function uint8(value: number): Tensor {
  return { dtype: "uint8", shape: [], data: Uint8Array.of(value) };
}
