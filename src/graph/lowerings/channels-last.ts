import { int64 } from "../../tensor/index.ts";
import { copyInto } from "../copy.ts";
import { partOf } from "../cut.ts";
import { IN_BITS } from "../fewer-bits.ts";
import { Graph, type Node, type Value } from "../graph.ts";
import { emit } from "../ops/emit.ts";
import { concat, gatherAlong, reshape, slice, transpose } from "../ops/index.ts";
import type { Dim, Shape } from "../shape.ts";
import { type BytesOptions, convolveBytes } from "./byte-convolution.ts";
import { type ConvolutionForm, convolve } from "./convolutions.ts";
import { bitsOf, convolveInBits, isOnePlace } from "./fewer-bits.ts";
import { type Centred, centre, type GroupNormAttributes, scaled } from "./group-norm.ts";

/** Operations of each element by itself: the layout is nothing to them. */
const ELEMENTWISE = new Set(["Silu", "QuickGelu", "Gelu", "Relu", "Tanh", "Sigmoid", "Neg", "Exp", "Sqrt", "Clip"]);
const BROADCAST = new Set(["Add", "Sub", "Mul", "Div"]);

/** What a node becomes, given its operands in the usual layout; undefined where another one is to say. */
export type LayoutRewrite = (
  node: Node,
  inputs: readonly Value[],
  layout: Layout,
) => Value | readonly Value[] | undefined;

export interface ChannelsLastOptions extends BytesOptions {
  /** Is asked first. Default: nobody. */
  readonly also?: LayoutRewrite;
}

/**
 * The same computation with pictures as [B, H, W, C] wherever a convolution is not left to the runtime's own kernel: there a
 * place is a row, so 1×1 convolutions, linear layers and attention take it as it lies, and tiles are gathered by rows.
 *
 * Every value that was made in this layout has its counterpart in the usual one, a transposition that is left out again
 * unless somebody reads it.
 *
 * @param formOf how each convolution is to be computed
 */
export function channelsLast(
  graph: Graph,
  formOf: (node: Node) => ConvolutionForm,
  { also, ...options }: ChannelsLastOptions = {},
): Graph {
  const into = new Graph(graph.name);
  const layout = new Layout();
  const moved = copyInto(into, graph, {
    node: (node, inputs) =>
      also?.(node, inputs as Value[], layout) ?? rewrite(node, inputs as Value[], layout, formOf, options),
  });
  return partOf(into, Object.fromEntries([...graph.outputs].map(([name, value]) => [name, moved.get(value)!])));
}

/** Which values [B, C, …] are there as [B, …, C] too. */
export class Layout {
  readonly #last = new Map<Value, Value>();
  readonly #centred = new Map<string, Centred>();
  /** Linear layers by what they gave. */
  readonly linears = new Map<Value, Pick<Node, "op" | "inputs" | "attributes">>();

  has(x: Value): boolean {
    return this.#last.has(x);
  }

  /** [B, C, …] → [B, …, C] */
  take(x: Value): Value {
    const known = this.#last.get(x);
    if (known) return known;
    const [batch, channels, ...places] = x.shape as [Dim, Dim, ...Dim[]];
    const flat = places.every((n) => n === 1);
    const y = flat ? reshape(x, [batch, ...places, channels]) : transpose(x, [0, ...places.map((_, i) => i + 2), 1]);
    this.#last.set(x, y);
    return y;
  }

  /** [B, …, C] → its counterpart [B, C, …] */
  give(y: Value): Value {
    const end = y.shape.length - 1;
    return this.same(transpose(y, [0, end, ...y.shape.slice(1, -1).map((_, i) => i + 1)]), y);
  }

  /** x for its normalisation and the gradient of that, made once. */
  centred(x: Value, about: GroupNormAttributes): Centred {
    const key = `${x.name} ${about.groups} ${about.epsilon.float}`;
    const known = this.#centred.get(key) ?? centre(this.take(x), about, -1);
    this.#centred.set(key, known);
    return known;
  }

  /** x [B, C, …] is y [B, …, C] in the other layout. */
  same(x: Value, y: Value): Value {
    this.#last.set(x, y);
    return x;
  }
}

function rewrite(
  node: Node,
  inputs: readonly Value[],
  layout: Layout,
  formOf: (node: Node) => ConvolutionForm,
  options: BytesOptions,
): Value | readonly Value[] | undefined {
  const [x] = inputs as [Value];
  const { op, attributes } = node;
  const known = inputs.some((value) => value && layout.has(value));
  if (op === "Conv") {
    const form = formOf(node);
    if (form === "direct") return;
    return layout.give(convolve(form, [layout.take(x), inputs[1]!, inputs[2]], node));
  }
  if (op === IN_BITS.Conv) {
    const operands = [layout.take(x), inputs[1]!, inputs[2]] as const;
    const inBytes = bitsOf(node) === 8 && !isOnePlace(node);
    return layout.give(inBytes ? convolveBytes(operands, node, options) : convolveInBits(operands, node));
  }
  if (op === "Linear" || op === IN_BITS.Linear) return remember(node, inputs, layout);
  if (op === "Split") return splitLinear(node, inputs, layout);
  if (op === "Transpose") return turned(node, x, layout);
  if (!known) return;
  if (ELEMENTWISE.has(op)) {
    const y = layout.take(x);
    return layout.give(emit(op, [y, ...inputs.slice(1)], y, attributes));
  }
  if (BROADCAST.has(op)) {
    const wanted = node.outputs[0]!.shape;
    const sides = inputs.map((v) =>
      v.shape.length === 0 ? v : v.shape.length === wanted.length ? layout.take(v) : undefined,
    );
    if (!sides[0] || !sides[1]) return;
    const shape = toLast(wanted);
    return layout.give(emit(op, sides, { dtype: x.dtype, shape }, attributes));
  }
  switch (op) {
    case "GroupNorm":
      return layout.give(groupNorm(node, inputs, layout));
    case "Concat":
      if (attributes["axis"] !== 1) return;
      return layout.give(
        concat(
          inputs.map((v) => layout.take(v)),
          x.shape.length - 1,
        ),
      );
    case "ResizeNearest":
      return layout.give(resizeNearest(node, layout.take(x)));
    case "Reshape":
      return reshaped(node, x, layout);
  }
  return;
}

const toLast = ([batch, channels, ...places]: Shape): Shape => [batch!, ...places, channels!];

/** [B, C, H, W] ↔ [B, C, H · W]: the same in either layout. */
function reshaped(node: Node, x: Value, layout: Layout): Value | undefined {
  const { shape } = node.outputs[0]!;
  if (shape.length < 3 || shape[0] !== x.shape[0] || shape[1] !== x.shape[1]) return;
  return layout.give(reshape(layout.take(x), toLast(shape)));
}

/** A sequence [B, T, C] is a picture with its channels last. */
function turned(node: Node, x: Value, layout: Layout): Value | undefined {
  const { perm } = node.attributes as { perm: readonly number[] };
  if (perm.join() !== "0,2,1") return;
  return layout.has(x) ? layout.take(x) : layout.same(transpose(x, perm), x);
}

function remember(node: Node, inputs: readonly Value[], layout: Layout): Value {
  const { op, attributes } = node;
  const y = emit(op, inputs, node.outputs[0]!, attributes);
  layout.linears.set(y, { op, inputs, attributes });
  return y;
}

/** A linear layer cut into pieces is a linear layer for each: its weight is cut once, what it gives in every run. */
function splitLinear(node: Node, [x]: readonly Value[], layout: Layout): Value[] | undefined {
  const made = layout.linears.get(x!);
  if (!made || node.attributes["axis"] !== x!.shape.length - 1) return;
  const [input, weight, bias] = made.inputs;
  let from = 0;
  return node.outputs.map((type) => {
    const to = from + (type.shape.at(-1) as number);
    const cut = (v: Value) => slice(v, 0, from, to);
    const piece = emit(made.op, [input, cut(weight!), bias && cut(bias)], type, made.attributes);
    from = to;
    return piece;
  });
}

function groupNorm(node: Node, [x, weight, bias]: readonly Value[], layout: Layout): Value {
  const about = node.attributes as unknown as GroupNormAttributes;
  return scaled(layout.centred(x!, about), weight!, bias!, about.groups);
}

/** Rows of the picture by their places: a row of channels is copied whole. */
function resizeNearest(node: Node, x: Value): Value {
  const { size } = node.attributes as { size: [number, number] };
  const [batch, height, width, channels] = x.shape as [Dim, number, number, number];
  const [rows, columns] = size;
  const from = (i: number, length: number, wanted: number) => Math.floor((i * length) / wanted);
  const places = Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return from(row, height, rows) * width + from(column, width, columns);
  });
  const rowsOf = reshape(x, [batch, height * width, channels]);
  return reshape(gatherAlong(rowsOf, 1, int64([places.length], places)), [batch, rows, columns, channels]);
}
