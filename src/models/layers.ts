/**
 * Layers with weights, under the names that torch's modules give them. Each takes the name of the module first and
 * asks for its parameters below the graph's current path.
 */

import type { Value } from "../graph/index.ts";
import * as ops from "../graph/index.ts";

/** torch.nn.Linear: […, in] → […, features]. */
export function linear(name: string, x: Value, features: number, { bias = true } = {}): Value {
  const g = x.graph;
  return g.scope(name, () => {
    const weight = g.parameter("weight", [features, ops.fixed(x.shape, -1, `Linear "${g.path}"`)]);
    return ops.linear(x, weight, bias ? g.parameter("bias", [features]) : undefined);
  });
}

export interface ConvLayer extends ops.ConvOptions {
  readonly kernel?: number;
  readonly bias?: boolean;
}

/** torch.nn.Conv2d, 3×3 with a border of one unless told otherwise: [B, C, H, W] → [B, channels, H', W']. */
export function conv2d(name: string, x: Value, channels: number, options: ConvLayer = {}): Value {
  const { kernel = 3, padding = (kernel - 1) / 2, stride = 1, bias = true } = options;
  const g = x.graph;
  return g.scope(name, () => {
    const weight = g.parameter("weight", [channels, ops.fixed(x.shape, 1, `Conv2d "${g.path}"`), kernel, kernel]);
    return ops.conv2d(x, weight, bias ? g.parameter("bias", [channels]) : undefined, { stride, padding });
  });
}

export function groupNorm(name: string, x: Value, options: { groups: number; epsilon: number }): Value {
  const g = x.graph;
  return g.scope(name, () => {
    const channels = ops.fixed(x.shape, 1, `GroupNorm "${g.path}"`);
    return ops.groupNorm(x, g.parameter("weight", [channels]), g.parameter("bias", [channels]), options);
  });
}

export function layerNorm(name: string, x: Value, epsilon = 1e-5): Value {
  const g = x.graph;
  return g.scope(name, () => {
    const width = ops.fixed(x.shape, -1, `LayerNorm "${g.path}"`);
    return ops.layerNorm(x, g.parameter("weight", [width]), g.parameter("bias", [width]), epsilon);
  });
}

/** [B, C, H, W] → [B, H·W, C]: a picture as a sequence of its places. */
export function toSequence(x: Value): Value {
  const [batch, channels, height, width] = x.shape as [ops.Dim, number, number, number];
  return ops.transpose(ops.reshape(x, [batch, channels, height * width]), [0, 2, 1]);
}

/** [B, H·W, C] → [B, C, H, W]. */
export function toPicture(x: Value, height: number, width: number): Value {
  const [batch, , channels] = x.shape;
  return ops.reshape(ops.transpose(x, [0, 2, 1]), [batch!, channels!, height, width]);
}

/** Runs `build(i)` for i below `count` under the path "name.i", handing each the value before it. */
export function chain(name: string, x: Value, count: number, build: (x: Value, i: number) => Value): Value {
  return repeat(count).reduce((value, i) => x.graph.scope(`${name}.${i}`, () => build(value, i)), x);
}

export function repeat(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
