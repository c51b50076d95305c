import { float32, int64, type Tensor, tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { broadcast, type Dim, factors, fixed, type Shape, ShapeError, showShape } from "../shape.ts";
import { at, emit, emitAll, integers } from "./emit.ts";

/** The same elements in row-major order under another shape; named dimensions must survive. */
export function reshape(x: Value, shape: Shape): Value {
  const from = factors(x.shape);
  const to = factors(shape);
  if (from.size !== to.size || from.names.join() !== to.names.join()) {
    throw new ShapeError(
      `${at("Reshape", x)}: ${showShape(x.shape)} does not hold as many elements as ${showShape(shape)}.`,
    );
  }
  // ONNX: 0 copies the dimension at the same place, one -1 is computed.
  let computed = 0;
  const target = shape.map((dim, i) => {
    if (typeof dim === "number") return dim;
    if (x.shape[i] === dim) return 0;
    computed++;
    return -1;
  });
  if (computed > 1)
    throw new ShapeError(`${at("Reshape", x)}: ${showShape(shape)} moves more than one named dimension.`);
  return emit("Reshape", [x, integers(x.graph, target)], { dtype: x.dtype, shape });
}

export function transpose(x: Value, perm: readonly number[]): Value {
  if (perm.length !== x.shape.length || new Set(perm).size !== perm.length) {
    throw new ShapeError(`${at("Transpose", x)}: [${perm}] is no permutation of the axes of ${showShape(x.shape)}.`);
  }
  return emit("Transpose", [x], { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) }, { perm });
}

/**
 * x, which is not there before `other` is: what is computed from it waits for that, and is another value to a runtime that
 * looks for what it has computed already.
 */
export function waiting(x: Value, other: Value): Value {
  return emit("Waiting", [x, other], x);
}

/** x copied along the axes in which it has length 1, or which it lacks in front, until it has the shape of `like`. */
export function expandAs(x: Value, like: Value): Value {
  const shape = emit("Shape", [like], { dtype: "int64", shape: [like.shape.length] });
  return emit("Expand", [x, shape], { dtype: x.dtype, shape: broadcast(x.shape, like.shape, at("Expand", x)) });
}

/** Zeros of the shape of `like`, which may have named dimensions. */
export function zerosLike(like: Value): Value {
  return expandAs(like.graph.constant(float32([], [0])), like);
}

/**
 * Joins along `axis`; every other dimension must agree.
 *
 * @param joined the name of the joined dimension, needed where a part of it is known by name only
 */
export function concat(values: readonly Value[], axis: number, joined?: string): Value {
  const first = values[0]!;
  const rank = first.shape.length;
  const along = axis < 0 ? axis + rank : axis;
  for (const value of values) {
    const fits = value.shape.length === rank && value.shape.every((dim, i) => i === along || dim === first.shape[i]);
    if (!fits) {
      throw new ShapeError(
        `${at("Concat", first)}: ${showShape(first.shape)} and ${showShape(value.shape)} differ beside axis ${along}.`,
      );
    }
  }
  const length: Dim = joined ?? values.reduce((sum, { shape }) => sum + fixed(shape, along, at("Concat", first)), 0);
  const shape = first.shape.map((dim, i) => (i === along ? length : dim));
  return emit("Concat", values, { dtype: first.dtype, shape }, { axis: along });
}

/** Cuts along `axis` into pieces of the given lengths, or into that many equal ones. */
export function split(x: Value, pieces: number | readonly number[], axis: number): Value[] {
  const along = axis < 0 ? axis + x.shape.length : axis;
  const length = fixed(x.shape, along, at("Split", x));
  const lengths = typeof pieces === "number" ? new Array<number>(pieces).fill(length / pieces) : pieces;
  if (lengths.reduce((a, b) => a + b, 0) !== length || !lengths.every(Number.isInteger)) {
    throw new ShapeError(`${at("Split", x)}: axis ${along} of ${showShape(x.shape)} does not divide into ${lengths}.`);
  }
  const types = lengths.map((n) => ({ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === along ? n : dim)) }));
  return emitAll("Split", [x, integers(x.graph, lengths)], types, { axis: along });
}

/** x[start:end:step] along `axis`, indices counted from the front. */
export function slice(x: Value, axis: number, start: number, end: number, step = 1): Value {
  const along = axis < 0 ? axis + x.shape.length : axis;
  const length = fixed(x.shape, along, at("Slice", x));
  if (start < 0 || end > length || start >= end) {
    throw new ShapeError(
      `${at("Slice", x)}: ${start}…${end} does not lie within axis ${along} of ${showShape(x.shape)}.`,
    );
  }
  const shape = x.shape.map((dim, i) => (i === along ? Math.ceil((end - start) / step) : dim));
  const operands = [[start], [end], [along], ...(step === 1 ? [] : [[step]])].map((v) => integers(x.graph, v));
  return emit("Slice", [x, ...operands], { dtype: x.dtype, shape });
}

/** Zeros around x, so many before and after each axis. */
export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  const shape = x.shape.map((dim, i) => {
    const more = before[i]! + after[i]!;
    return more === 0 ? dim : fixed(x.shape, i, at("Pad", x)) + more;
  });
  return emit("Pad", [x, integers(x.graph, [...before, ...after])], { dtype: x.dtype, shape });
}

/** Zeros around the last two axes: [top, left, bottom, right]. */
export function padImage(x: Value, [top, left, bottom, right]: readonly [number, number, number, number]): Value {
  const zeros = new Array<number>(x.shape.length - 2).fill(0);
  return pad(x, [...zeros, top, left], [...zeros, bottom, right]);
}

/** Rows of `table` [N, …] chosen by `ids` (int64, any shape): an embedding. */
export function gather(table: Value, ids: Value): Value {
  return emit(
    "Gather",
    [table, ids],
    { dtype: table.dtype, shape: [...ids.shape, ...table.shape.slice(1)] },
    { axis: 0 },
  );
}

/** What stands at `places` along `axis`, in their order: […, n, …] with n places. */
export function gatherAlong(x: Value, axis: number, places: Tensor): Value {
  const shape = x.shape.flatMap<Dim>((dim, i) => (i === axis ? places.shape : [dim]));
  return emit("Gather", [x, x.graph.constant(places)], { dtype: x.dtype, shape }, { axis });
}

/**
 * The gradient of an embedding's table [N, …], from that of the chosen rows: rows that were chosen several times get the
 * sum, those that were not 0.
 */
export function gatherGradient(upstream: Value, ids: Value, table: Shape): Value {
  return emit("GatherGradient", [upstream, ids], { dtype: upstream.dtype, shape: table }, {});
}

/**
 * `ids` [...] (int64), each from 0 to `count` − 1, as a column of 32-bit integers [..., 1]. Each is looked up: nothing else reads
 * integers of 64 bits on a graphics device.
 */
export function shortIds(ids: Value, count: number): Value {
  const numbers = tensor(
    "int32",
    [count, 1],
    Int32Array.from({ length: count }, (_, i) => i),
  );
  return gather(ids.graph.constant(numbers), ids);
}

/** The entries of x [..., V] at `ids` [..., 1] along the last axis: [..., 1]. */
export function pick(x: Value, ids: Value): Value {
  return emit("GatherElements", [x, ids], { dtype: x.dtype, shape: ids.shape }, { axis: -1 });
}

/** The gradient of `pick`: zeros but for what was picked. */
export function pickGradient(upstream: Value, ids: Value, input: Value): Value {
  return emit("PickGradient", [upstream, ids, input], input);
}

/** The last entry along `axis`, which goes: of […, T, …] what stands at T − 1. */
export function last(x: Value, axis: number): Value {
  const along = axis < 0 ? axis + x.shape.length : axis;
  const shape = x.shape.filter((_, i) => i !== along);
  return emit("Gather", [x, x.graph.constant(int64([], [-1]))], { dtype: x.dtype, shape }, { axis: along });
}

/** The gradient of `resizeNearest`: each place gets the sum of what it was copied to. */
export function resizeNearestGradient(upstream: Value, input: Shape): Value {
  return emit("ResizeNearestGradient", [upstream], { dtype: upstream.dtype, shape: input }, {});
}

/** Nearest-neighbour resize of [B, C, H, W] to [B, C, …size], as torch.nn.functional.interpolate: floor(i · in / out). */
export function resizeNearest(x: Value, size: readonly [number, number]): Value {
  if (x.shape.length !== 4)
    throw new ShapeError(`${at("ResizeNearest", x)}: wants [B, C, H, W], got ${showShape(x.shape)}.`);
  const shape: Dim[] = [x.shape[0]!, x.shape[1]!, ...size];
  return emit("ResizeNearest", [x], { dtype: x.dtype, shape }, { size: [...size] });
}
