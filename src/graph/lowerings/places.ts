import { int64, type Tensor } from "../../tensor/index.ts";
import type { Node, Value } from "../graph.ts";
import { emit, integers } from "../ops/emit.ts";
import { convAttributes, gatherAlong, reshape, transpose } from "../ops/index.ts";
import type { Dim } from "../shape.ts";

export interface PlacesOptions {
  /** What the border is filled with, a scalar. Default: zeros. */
  readonly border?: Value;
  /** Rows of what comes out, from `first` to before `end`. Default: all. */
  readonly first?: number;
  readonly end?: number;
}

/**
 * The places that a convolution's kernel looks at, side by side: x [B, H, W, C] → [B, H' · W', kh · kw · C].
 *
 * @param node the convolution
 */
export function placesUnderKernel(x: Value, node: Node, { border, first = 0, end }: PlacesOptions = {}): Value {
  const { kernel_shape: kernel, strides, pads } = convAttributes(node);
  const [batch, height, width, channels] = x.shape as [Dim, number, number, number];
  const [top, left, bottom, right] = pads;
  const [tall, wide] = [height + top + bottom, width + left + right];
  const sides = integers(x.graph, [0, top, left, 0, 0, bottom, right, 0]);
  const bordered = pads.some((n) => n > 0)
    ? emit("Pad", [x, sides, border], { dtype: x.dtype, shape: [batch, tall, wide, channels] })
    : x;
  const [, , rows, columns] = node.outputs[0]!.shape as [Dim, Dim, number, number];
  const seen = placesSeen({ kernel, strides, wide, columns, first, end: end ?? rows });
  const all = gatherAlong(reshape(bordered, [batch, tall * wide, channels]), 1, seen);
  const taps = kernel[0] * kernel[1];
  return reshape(all, [batch, seen.shape[0]! / taps, taps * channels]);
}

/** A window on its way over a picture. */
export interface Looking {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Columns of the picture with its border. */
  readonly wide: number;
  /** Where the window stands: in so many columns, and in the rows from `first` to before `end`. */
  readonly columns: number;
  readonly first: number;
  readonly end: number;
}

/** Places [B, P, C] → [P, B, C]: what a window sees of all pictures lies together then. */
export function placesFirst(places: Value): Value {
  const [batch, count, channels] = places.shape as [Dim, number, number];
  return batch === 1 ? reshape(places, [count, 1, channels]) : transpose(places, [1, 0, 2]);
}

/** For each stand of the window, where what it sees lies in the picture with its border. */
function placesSeen(looking: Looking): Tensor {
  return places(standsOf(looking).flatMap((stand) => tapsOf(looking).map((tap) => stand + tap)));
}

/** The same the other way round: for each place within the window, where it lies at every stand. */
export function placesByTap(looking: Looking): Tensor {
  return places(tapsOf(looking).flatMap((tap) => standsOf(looking).map((stand) => stand + tap)));
}

function standsOf({ strides, wide, columns, first, end }: Looking): number[] {
  const stands: number[] = [];
  for (let row = first; row < end; row++) {
    for (let column = 0; column < columns; column++) stands.push(row * strides[0] * wide + column * strides[1]);
  }
  return stands;
}

function tapsOf({ kernel, wide }: Looking): number[] {
  return Array.from({ length: kernel[0] * kernel[1] }, (_, i) => Math.floor(i / kernel[1]) * wide + (i % kernel[1]));
}

const places = (list: readonly number[]): Tensor => int64([list.length], list);

/** Whether a convolution, or the gradient of one, has a kernel of `side`² and goes step by step, with the border that keeps the size. */
export function keepsSize(node: Node, side: 1 | 3): boolean {
  const { kernel_shape, strides, pads } = convAttributes(node);
  const border = (side - 1) / 2;
  return [...kernel_shape].every((n) => n === side) && strides.every((n) => n === 1) && pads.every((n) => n === border);
}
