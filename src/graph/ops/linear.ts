import type { Node, Value } from "../graph.ts";
import { broadcast, fixed, type Shape, ShapeError, showShape } from "../shape.ts";
import { at, emit } from "./emit.ts";

/** Matrix product over the last two axes, the leading ones broadcast. */
export function matmul(a: Value, b: Value): Value {
  if (a.shape.length < 2 || b.shape.length < 2 || a.shape.at(-1) !== b.shape.at(-2)) {
    throw new ShapeError(
      `${at("MatMul", a)}: ${showShape(a.shape)} times ${showShape(b.shape)}: the inner dimensions differ.`,
    );
  }
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2), at("MatMul", a));
  return emit("MatMul", [a, b], { dtype: a.dtype, shape: [...lead, a.shape.at(-2)!, b.shape.at(-1)!] });
}

/** x · weightᵀ + bias with torch's layout: x […, in], weight [out, in], bias [out]. */
export function linear(x: Value, weight: Value, bias?: Value): Value {
  const where = at("Linear", x);
  if (x.shape.at(-1) !== weight.shape[1]) {
    throw new ShapeError(
      `${where}: input ${showShape(x.shape)} does not end in the ${weight.shape[1]} of weight ${showShape(weight.shape)}.`,
    );
  }
  const out = fixed(weight.shape, 0, where);
  if (bias && bias.shape[0] !== out)
    throw new ShapeError(`${where}: bias ${showShape(bias.shape)} for ${out} features.`);
  return emit("Linear", [x, weight, bias], { dtype: x.dtype, shape: [...x.shape.slice(0, -1), out] });
}

export interface ConvOptions {
  readonly stride?: number;
  /** One number for every side, or [top, left, bottom, right]. */
  readonly padding?: number | readonly [number, number, number, number];
}

/** Cross-correlation as torch.nn.Conv2d: x [B, C, H, W], weight [O, C, kh, kw], bias [O]. */
export function conv2d(x: Value, weight: Value, bias: Value | undefined, options: ConvOptions = {}): Value {
  const where = at("Conv", x);
  const { stride = 1, padding = 0 } = options;
  if (x.shape.length !== 4 || weight.shape.length !== 4) {
    throw new ShapeError(
      `${where}: wants [B, C, H, W] and [O, C, kh, kw], got ${showShape(x.shape)} and ${showShape(weight.shape)}.`,
    );
  }
  if (x.shape[1] !== weight.shape[1]) {
    throw new ShapeError(
      `${where}: input ${showShape(x.shape)} has ${x.shape[1]} channels, weight ${showShape(weight.shape)} wants ${weight.shape[1]}.`,
    );
  }
  const pads = typeof padding === "number" ? ([padding, padding, padding, padding] as const) : padding;
  const kernel = [fixed(weight.shape, 2, where), fixed(weight.shape, 3, where)] as const;
  const size = [2, 3].map((axis, i) => {
    const padded = fixed(x.shape, axis, where) + pads[i]! + pads[i + 2]!;
    const length = Math.floor((padded - kernel[i]!) / stride) + 1;
    if (length < 1)
      throw new ShapeError(
        `${where}: a kernel of ${kernel} does not fit into ${showShape(x.shape)} padded by ${pads}.`,
      );
    return length;
  });
  const shape = [x.shape[0]!, weight.shape[0]!, ...size];
  return emit(
    "Conv",
    [x, weight, bias],
    { dtype: x.dtype, shape },
    { strides: [stride, stride], pads: [...pads], kernel_shape: [...kernel] },
  );
}

/** What a convolution computed with: its node's attributes. */
export interface ConvAttributes {
  readonly strides: readonly [number, number];
  /** [top, left, bottom, right] */
  readonly pads: readonly [number, number, number, number];
  readonly kernel_shape: readonly [number, number];
}

/** Those of a node that `conv2d` made, or the gradient of one. */
export function convAttributes({ attributes }: Node): ConvAttributes {
  return attributes as unknown as ConvAttributes;
}

/** The gradient of a convolution's input [B, C, H, W], from that of its output and its weight. */
export function convInputGradient(upstream: Value, weight: Value, input: Shape, attributes: ConvAttributes): Value {
  return emit("ConvInputGradient", [upstream, weight], { dtype: upstream.dtype, shape: input }, { ...attributes });
}

/** The gradient of a convolution's weight [O, C, kh, kw], from that of its output and its input. */
export function convWeightGradient(upstream: Value, input: Value, weight: Shape, attributes: ConvAttributes): Value {
  return emit("ConvWeightGradient", [upstream, input], { dtype: upstream.dtype, shape: weight }, { ...attributes });
}
