import type { Value } from "../graph.ts";
import { emit } from "../ops/emit.ts";
import { matmul, mul, transpose } from "../ops/index.ts";

/** x · weightᵀ of x […, in] and weight [out, in], which the runtime lays out ahead as it lies: nothing is transposed for it. */
export function timesTransposed(x: Value, weight: Value): Value {
  const shape = [...x.shape.slice(0, -1), weight.shape[0]!];
  return emit("com.microsoft.FusedMatMul", [x, weight], { dtype: x.dtype, shape }, { transB: 1 });
}

/** Which operands of a product are taken with their last two axes exchanged, and what it is multiplied with. */
export interface ProductOptions {
  readonly turnA?: boolean;
  readonly turnB?: boolean;
  readonly scale?: number;
}
export type Product = (a: Value, b: Value, options?: ProductOptions) => Value;

/** Written with operations that every device has. */
export const plainProduct: Product = (a, b, { turnA, turnB, scale } = {}) => {
  const y = matmul(turnA ? turned(a) : a, turnB ? turned(b) : b);
  return scale === undefined ? y : mul(y, scale);
};

/** One node of the CPU's. */
export const fusedProduct: Product = (a, b, { turnA = false, turnB = false, scale = 1 } = {}) => {
  const rows = a.shape.at(turnA ? -1 : -2)!;
  const columns = b.shape.at(turnB ? -2 : -1)!;
  const lead = (a.shape.length < b.shape.length ? b : a).shape.slice(0, -2);
  return emit(
    "com.microsoft.FusedMatMul",
    [a, b],
    { dtype: a.dtype, shape: [...lead, rows, columns] },
    { transA: Number(turnA), transB: Number(turnB), alpha: { float: scale } },
  );
};

/**
 * Product by product, each with a weight of its own: weights [N, out, in] times the turned x [N, rows, in] → [N, out, rows].
 * The runtime lays out the right side of a product in every run, the left one it reads as it lies: with the weights, of
 * which there is more, on the left a product of 32 rows takes 0.57 of the time.
 */
export const weightsTimes = (weights: Value, x: Value): Value => fusedProduct(weights, x, { turnB: true });

function turned(x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}
