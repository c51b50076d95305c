import { float32, int64, type Tensor } from "../tensor/index.ts";
import type { Graph, Value } from "./graph.ts";
import { type Lowering, lower } from "./lower.ts";
import { emit } from "./ops/emit.ts";
import { add, div, mul, neg, reshape, transpose } from "./ops/index.ts";
import { fixed } from "./shape.ts";

/** Numbers of a row that share a scale. Every width of the published networks is a multiple of it. */
const BLOCK = 32;
/** Codes are 1 … 255 around this one, which stands for 0. */
const ZERO = 128;
const LARGEST = 127;
/** A block of zeros has a scale all the same. */
const TINY = 1e-30;
/** The runtime may round x to 8 bits, block by block and row by row, and add up in integers. */
const IN_INTEGERS = 4;

/**
 * The same computation with the weights of its matrix products in 8 bits: a code for each and a scale for every 32 along
 * the sum, max|w| / 127, so that no weight moves by more than 1/254 of the largest in its block; x is rounded likewise
 * as it comes. A quarter of the memory to read for each product, which is what products of few rows wait for.
 *
 * Parameters keep their names and shapes. Nodes make the codes of them, whatever type they are stored in; the runtime
 * folds these away once when it loads the graph. Products whose sum is no multiple of 32 stay as they are.
 */
export function inEightBits(graph: Graph): Graph {
  return lower(graph, { Linear: linear, MatMul: matmul });
}

const linear: Lowering = (node, inputs) => {
  const [x, weight, bias] = inputs;
  const blocks = blocksOf(weight!, 1);
  if (blocks === 0) return emit(node.op, inputs, node.outputs[0]!, node.attributes);
  const rows = fixed(weight!.shape, 0, node.op);
  const { codes, scales } = quantize(reshape(weight!, [rows, blocks, BLOCK]), 2);
  return product(x!, codes, scales, bias, node.outputs[0]!);
};

const matmul: Lowering = (node, inputs) => {
  const [x, weight] = inputs;
  const blocks = blocksOf(weight!, 0);
  if (blocks === 0) return emit(node.op, inputs, node.outputs[0]!, node.attributes);
  const columns = fixed(weight!.shape, 1, node.op);
  const { codes, scales } = quantize(reshape(weight!, [blocks, BLOCK, columns]), 1);
  const rows = (v: Value) => transpose(v, [2, 0, 1]);
  return product(x!, rows(codes), rows(scales), undefined, node.outputs[0]!);
};

/** Blocks along the axis of a matrix that is summed over; 0 for what is no weight or does not divide into blocks. */
function blocksOf(weight: Value, axis: number): number {
  const length = weight.shape[axis];
  const isWeight = weight.graph.parameters.get(weight.name) === weight && weight.shape.length === 2;
  return isWeight && typeof length === "number" && length % BLOCK === 0 ? length / BLOCK : 0;
}

/** Blocks along `axis` of weight → codes of its shape, and a scale for each block, 1 along `axis`. */
function quantize(weight: Value, axis: number): { readonly codes: Value; readonly scales: Value } {
  const g = weight.graph;
  const shape = weight.shape.map((dim, i) => (i === axis ? 1 : dim));
  const over = (op: string) => emit(op, [weight, g.constant(int64([1], [axis]))], { dtype: "float32", shape });
  const max = (a: Value, b: Value) => emit("Max", [a, b], { dtype: "float32", shape });
  const largest = max(over("ReduceMax"), neg(over("ReduceMin")));
  const scales = max(div(largest, LARGEST), g.constant(float32([], [TINY])));
  const zeros = emit("Expand", [g.constant(uint8(ZERO)), g.constant(int64([3], shape as number[]))], {
    dtype: "uint8",
    shape,
  });
  const codes = emit(
    "QuantizeLinear",
    [weight, scales, zeros],
    { dtype: "uint8", shape: weight.shape },
    { axis, block_size: BLOCK },
  );
  // Codes are finite whatever they stand for. A weight that is not has to show in what comes out, as it does without them.
  return { codes, scales: add(scales, mul(over("ReduceSum"), 0)) };
}

/** x · weightᵀ + bias: codes [rows, blocks, BLOCK], scales [rows, blocks, 1]. */
function product(x: Value, codes: Value, scales: Value, bias: Value | undefined, type: Value): Value {
  const [rows, blocks] = codes.shape as [number, number];
  return emit(
    "com.microsoft.MatMulNBits",
    [x, codes, reshape(scales, [rows * blocks]), undefined, undefined, bias],
    type,
    { K: blocks * BLOCK, N: rows, bits: 8, block_size: BLOCK, accuracy_level: IN_INTEGERS },
  );
}

function uint8(value: number): Tensor {
  return { dtype: "uint8", shape: [], data: Uint8Array.of(value) };
}
