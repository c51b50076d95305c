/**
 * Token merging (Bolya & Hoffman 2023, "Token Merging for Fast Stable Diffusion"): tokens that are alike are averaged before
 * attention looks at them, and what attention makes of an average is copied to each of them. The picture changes a little.
 * B batch, T tokens of a picture, C channels, D tokens that others are merged into, M that are merged.
 */
import {
  add,
  addRows,
  argMax,
  concat,
  div,
  expandAs,
  fallingOrder,
  matmul,
  max,
  mul,
  pick,
  put,
  reduceSum,
  reshape,
  slice,
  sqrt,
  take,
  takeRows,
  transpose,
  type Value,
} from "../graph/index.ts";
import { float32, int64, type Tensor } from "../tensor/index.ts";
import { repeat } from "./layers.ts";

/** Fewer tokens, [B, T, C] → [B, T − M, C], and back. */
export interface Merging {
  merge(x: Value): Value;
  unmerge(x: Value): Value;
}

export interface MergedPicture {
  readonly height: number;
  readonly width: number;
  /** Which share of the tokens is merged into others, above 0 and at most 0.75. */
  readonly share: number;
}

/**
 * Bipartite soft matching (Bolya et al. 2023, § 3, with the partition of Bolya & Hoffman, § 4.2): one token of each cell of 2 × 2 places is one that
 * others may be merged into; of the others those are, whose cosine to the nearest of these is greatest. Which of a cell is
 * taken is as good as random, but the same in every call, where the authors draw anew.
 *
 * @param metric the tokens by which likeness is judged: [B, T, C]
 */
export function tokenMerging(metric: Value, { height, width, share }: MergedPicture): Merging {
  const [batch] = metric.shape;
  const tokens = height * width;
  const into = destinations({ height, width });
  const chosen = new Set(into);
  const others = repeat(tokens).filter((token) => !chosen.has(token));
  const merged = Math.min(others.length, Math.floor(tokens * share));
  if (merged === 0 || into.length === 0) return { merge: (x) => x, unmerge: (x) => x };
  const kept = others.length - merged;

  const directions = div(metric, sqrt(reduceSum(mul(metric, metric), [-1])));
  const likeness = matmul(take(directions, others), transpose(take(directions, into), [0, 2, 1]));
  const order = fallingOrder(max(likeness));
  const moved = slice(order, 1, 0, merged);
  const staying = kept > 0 ? slice(order, 1, merged, others.length) : undefined;
  const target = pick(argMax(likeness), moved);
  /** The same numbers for each of the batch, which is known by name only. */
  const rows = (numbers: Tensor) => expandAs(metric.graph.constant(numbers), slice(order, 1, 0, 1));
  const ones = (count: number) =>
    reshape(rows(float32([1, count], new Float32Array(count).fill(1))), [batch!, count, 1]);
  const counts = addRows(ones(into.length), target, ones(merged));

  // Of what comes back the kept ones are first, then the averages.
  const copied = add(target, int64([1], [kept]));
  const ofOthers = put(order, order, kept > 0 ? concat([copied, rows(count(0, kept))], 1) : copied);
  const back = take(concat([ofOthers, rows(count(kept, into.length))], 1), inverse([...others, ...into]));
  return {
    merge(x) {
      const free = take(x, others);
      const averages = div(addRows(take(x, into), target, takeRows(free, moved)), counts);
      return staying ? concat([takeRows(free, staying), averages], 1) : averages;
    },
    unmerge: (x) => takeRows(x, back),
  };
}

/** `first`, `first` + 1 …, as a row. */
function count(first: number, length: number): Tensor {
  return int64(
    [1, length],
    repeat(length).map((i) => first + i),
  );
}

/** A token of each whole cell of 2 × 2, by its place in the sequence. */
function destinations({ height, width }: { readonly height: number; readonly width: number }): number[] {
  const columns = Math.floor(width / 2);
  return repeat(Math.floor(height / 2) * columns).map((cell) => {
    // The two highest bits of a multiple of 2³² / the golden ratio: evenly spread, without a pattern that shows.
    const corner = Math.imul(cell + 1, 0x9e3779b1) >>> 30;
    const [row, column] = [2 * Math.floor(cell / columns) + (corner >> 1), 2 * (cell % columns) + (corner & 1)];
    return row * width + column;
  });
}

/** Of a permutation. */
function inverse(order: readonly number[]): number[] {
  const places = new Array<number>(order.length);
  for (const [place, token] of order.entries()) places[token] = place;
  return places;
}
