import type { Node, Value } from "../graph.ts";
import { add, convAttributes, gatherAlong, pad, reduceSum, reshape, transpose } from "../ops/index.ts";
import { type Dim, times } from "../shape.ts";
import { placesByTap, placesFirst } from "./places.ts";
import { timesTransposed } from "./products.ts";

/**
 * A convolution as one product for each tap of its kernel, and their sum: x [B, H, W, C], weight [K, C, kh, kw], bias [K] →
 * [B, H', W', K]. Where a picture has few places, what takes time is the weights' way from memory: this way they are read
 * once, as they lie.
 */
export function sumOfTaps([x, weight, bias]: readonly [Value, Value, Value | undefined], node: Node): Value {
  const { kernel_shape: kernel, strides, pads } = convAttributes(node);
  const [features, channels] = weight.shape as [number, number];
  const [batch, height, width] = x.shape as [Dim, number, number];
  const [, , rows, columns] = node.outputs[0]!.shape as [Dim, Dim, number, number];
  const [top, left, bottom, right] = pads;
  const wide = width + left + right;
  const taps = kernel[0] * kernel[1];
  const bordered = pad(x, [0, top, left, 0], [0, bottom, right, 0]);
  const places = placesFirst(reshape(bordered, [batch, (height + top + bottom) * wide, channels]));
  const looking = { kernel, strides, wide, columns, first: 0, end: rows };
  const seen = gatherAlong(places, 0, placesByTap(looking));
  const inAll = times(batch, rows * columns);
  const byTap = transpose(reshape(weight, [features, channels, taps]), [2, 0, 1]);
  const sum = reduceSum(timesTransposed(byTap, reshape(seen, [taps, inAll, channels])), [0]);
  const turned = transpose(reshape(sum, [features, rows * columns, batch]), [2, 1, 0]);
  const y = reshape(turned, [batch, rows, columns, features]);
  return bias ? add(y, bias) : y;
}
