import { int64 } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { type Dim, factors, fixed, type Shape, ShapeError, showShape } from "../shape.ts";
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

/** x[start:end] along `axis`, indices counted from the front. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const along = axis < 0 ? axis + x.shape.length : axis;
  const length = fixed(x.shape, along, at("Slice", x));
  if (start < 0 || end > length || start >= end) {
    throw new ShapeError(
      `${at("Slice", x)}: ${start}…${end} does not lie within axis ${along} of ${showShape(x.shape)}.`,
    );
  }
  const shape = x.shape.map((dim, i) => (i === along ? end - start : dim));
  const operands = [[start], [end], [along]].map((v) => integers(x.graph, v));
  return emit("Slice", [x, ...operands], { dtype: x.dtype, shape });
}

/** Zeros around the last two axes: [top, left, bottom, right]. */
export function padImage(x: Value, [top, left, bottom, right]: readonly [number, number, number, number]): Value {
  const where = at("Pad", x);
  const [h, w] = [fixed(x.shape, -2, where) + top + bottom, fixed(x.shape, -1, where) + left + right];
  const lead = x.shape.length - 2;
  const zeros = new Array<number>(lead).fill(0);
  const pads = integers(x.graph, [...zeros, top, left, ...zeros, bottom, right]);
  return emit("Pad", [x, pads], { dtype: x.dtype, shape: [...x.shape.slice(0, -2), h, w] });
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

/** The last entry along `axis`, which goes: of […, T, …] what stands at T − 1. */
export function last(x: Value, axis: number): Value {
  const along = axis < 0 ? axis + x.shape.length : axis;
  const shape = x.shape.filter((_, i) => i !== along);
  return emit("Gather", [x, x.graph.constant(int64([], [-1]))], { dtype: x.dtype, shape }, { axis: along });
}

/** Nearest-neighbour resize of [B, C, H, W] to [B, C, …size], as torch.nn.functional.interpolate: floor(i · in / out). */
export function resizeNearest(x: Value, size: readonly [number, number]): Value {
  if (x.shape.length !== 4)
    throw new ShapeError(`${at("ResizeNearest", x)}: wants [B, C, H, W], got ${showShape(x.shape)}.`);
  const shape: Dim[] = [x.shape[0]!, x.shape[1]!, ...size];
  return emit("ResizeNearest", [x], { dtype: x.dtype, shape }, { size: [...size] });
}
