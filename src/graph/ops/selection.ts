import { int64 } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { fixed } from "../shape.ts";
import { at, emit, emitAll, integers } from "./emit.ts";
import { expandAs, reshape } from "./shape.ts";

/** The largest entry along the last axis: […, V] → […]. */
export function max(x: Value): Value {
  const type = { dtype: x.dtype, shape: x.shape.slice(0, -1) };
  return emit("ReduceMax", [x, integers(x.graph, [x.shape.length - 1])], type, { keepdims: 0 });
}

/** Where the largest entry along the last axis stands, the first of several: […, V] → […], int64. */
export function argMax(x: Value): Value {
  return emit("ArgMax", [x], { dtype: "int64", shape: x.shape.slice(0, -1) }, { axis: -1, keepdims: 0 });
}

/** Where the entries along the last axis stand, the largest first: […, V] → […, V], int64. */
export function fallingOrder(x: Value): Value {
  const count = fixed(x.shape, -1, at("TopK", x));
  const types = [x, { dtype: "int64" as const, shape: x.shape }];
  return emitAll("TopK", [x, integers(x.graph, [count])], types, { axis: -1, largest: 1, sorted: 1 })[1]!;
}

/** The entries at `places` of axis 1, the same for the whole batch: [B, T, …] → [B, N, …]. */
export function take(x: Value, places: readonly number[]): Value {
  const shape = [x.shape[0]!, places.length, ...x.shape.slice(2)];
  return emit("Gather", [x, x.graph.constant(int64([places.length], places))], { dtype: x.dtype, shape }, { axis: 1 });
}

/** Rows of x [B, T, C] at `places` [B, N] (int64): [B, N, C]. */
export function takeRows(x: Value, places: Value): Value {
  const shape = [...places.shape, x.shape[2]!];
  return emit("GatherND", [x, column(places)], { dtype: x.dtype, shape }, { batch_dims: 1 });
}

/** x [B, T, C] with `rows` [B, N, C] added at `places` [B, N] (int64), several of which may be one. */
export function addRows(x: Value, places: Value, rows: Value): Value {
  return emit("ScatterElements", [x, expandAs(column(places), rows), rows], x, { axis: 1, reduction: "add" });
}

/** x [B, T] with `values` [B, N] put at `places` [B, N] (int64). */
export function put(x: Value, places: Value, values: Value): Value {
  return emit("ScatterElements", [x, places, values], x, { axis: 1 });
}

function column(places: Value): Value {
  return reshape(places, [...places.shape, 1]);
}
