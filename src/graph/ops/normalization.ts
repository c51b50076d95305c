import type { Attributes, Value } from "../graph.ts";
import { fixed, ShapeError, showShape } from "../shape.ts";
import { at, emit, emitAll } from "./emit.ts";

/** Wu & He 2018: mean and variance over each group of channels of x [B, C, …]; weight and bias [C]. */
export function groupNorm(x: Value, weight: Value, bias: Value, options: { groups: number; epsilon: number }): Value {
  const channels = fixed(x.shape, 1, at("GroupNorm", x));
  if (channels % options.groups !== 0 || weight.shape[0] !== channels || bias.shape[0] !== channels) {
    throw new ShapeError(
      `${at("GroupNorm", x)}: ${options.groups} groups and weight ${showShape(weight.shape)} do not fit ${showShape(x.shape)}.`,
    );
  }
  return emit("GroupNorm", [x, weight, bias], x, { groups: options.groups, epsilon: { float: options.epsilon } });
}

/** The gradients of `groupNorm`'s x, weight and bias, from that of its result. */
export function groupNormGradient(
  upstream: Value,
  x: Value,
  weight: Value,
  attributes: Attributes,
): [x: Value, weight: Value, bias: Value] {
  const types = [x, weight, weight];
  return emitAll("GroupNormGradient", [upstream, x, weight], types, attributes) as [Value, Value, Value];
}

/** Ba et al. 2016 over the last axis; weight and bias have its length. */
export function layerNorm(x: Value, weight: Value, bias: Value, epsilon: number): Value {
  if (weight.shape[0] !== x.shape.at(-1) || bias.shape[0] !== x.shape.at(-1)) {
    throw new ShapeError(
      `${at("LayerNormalization", x)}: weight ${showShape(weight.shape)} for ${showShape(x.shape)}.`,
    );
  }
  return emit("LayerNormalization", [x, weight, bias], x, { axis: -1, epsilon: { float: epsilon } });
}

/** Over the last axis. */
export function softmax(x: Value): Value {
  return emit("Softmax", [x], x, { axis: -1 });
}

/** log softmax over the last axis, without the loss of digits that the logarithm of small numbers brings. */
export function logSoftmax(x: Value): Value {
  return emit("LogSoftmax", [x], x, { axis: -1 });
}
