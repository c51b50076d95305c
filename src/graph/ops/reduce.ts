import type { Value } from "../graph.ts";
import { emit, integers } from "./emit.ts";

export interface ReduceOptions {
  /** Whether the axes stay with length 1. Default true. */
  readonly keep?: boolean;
}

function reduction(op: string) {
  /** Over `axes`, which count from the end where they are negative. */
  return (x: Value, axes: readonly number[], { keep = true }: ReduceOptions = {}): Value => {
    const rank = x.shape.length;
    const gone = axes.map((axis) => (axis < 0 ? axis + rank : axis));
    const shape = x.shape.flatMap((dim, i) => (gone.includes(i) ? (keep ? [1] : []) : [dim]));
    return emit(op, [x, integers(x.graph, gone)], { dtype: x.dtype, shape }, { keepdims: Number(keep) });
  };
}

export const reduceSum = reduction("ReduceSum");
export const reduceMean = reduction("ReduceMean");
