import type { Value } from "../graph.ts";
import { emit } from "../ops/emit.ts";

/** x · weightᵀ of x […, in] and weight [out, in], which the runtime lays out ahead as it lies: nothing is transposed for it. */
export function timesTransposed(x: Value, weight: Value): Value {
  const shape = [...x.shape.slice(0, -1), weight.shape[0]!];
  return emit("com.microsoft.FusedMatMul", [x, weight], { dtype: x.dtype, shape }, { transB: 1 });
}
