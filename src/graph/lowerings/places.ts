import { int64, type Tensor } from "../../tensor/index.ts";
import type { Node, Value } from "../graph.ts";
import { emit, integers } from "../ops/emit.ts";
import { convAttributes, gatherAlong, reshape } from "../ops/index.ts";
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
  const seen = indices({ kernel, strides, wide, columns, first, end: end ?? rows });
  const all = gatherAlong(reshape(bordered, [batch, tall * wide, channels]), 1, seen);
  const taps = kernel[0] * kernel[1];
  return reshape(all, [batch, seen.shape[0]! / taps, taps * channels]);
}

interface Looked {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  /** Columns of the picture with its border. */
  readonly wide: number;
  /** Of what comes out. */
  readonly columns: number;
  readonly first: number;
  readonly end: number;
}

/** For each place that comes out, where those under the kernel lie in the picture with its border. */
function indices({ kernel, strides, wide, columns, first, end }: Looked): Tensor {
  const places: number[] = [];
  for (let row = first; row < end; row++) {
    for (let column = 0; column < columns; column++) {
      for (let y = 0; y < kernel[0]; y++) {
        for (let x = 0; x < kernel[1]; x++) places.push((row * strides[0] + y) * wide + column * strides[1] + x);
      }
    }
  }
  return int64([places.length], places);
}
