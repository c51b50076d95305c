import type { Graph, Node, Value } from "../graph.ts";
import { add, matmul, reduceSum, reshape, split, waiting } from "../ops/index.ts";
import { channelsLast, type Layout, type LayoutRewrite } from "./channels-last.ts";
import { type GroupNormAttributes, groupNormGradient } from "./group-norm.ts";
import { convolution, inputGradient, planesOf, weightGradient } from "./learning-convolutions.ts";
import { keepsSize } from "./places.ts";
import { fusedProduct, timesTransposed } from "./products.ts";
import type { Tile } from "./winograd.ts";

export interface LearningOptions {
  /** Channels on both sides from which a 3×3 convolution is worth Winograd's transforms. Default 16. */
  readonly least?: number;
}

const TILE: Tile = 4;

/**
 * A graph of gradients for the CPU, pictures as [B, H, W, C]: 3×3 convolutions and their gradients by Winograd's algorithm,
 * those of 1×1 as matrix products, in both directions. What the planes of a convolution's input are is made once for it and
 * for the gradient of its weight.
 */
export function channelsLastLearning(graph: Graph, { least = 16 }: LearningOptions = {}): Graph {
  const planes = new Map<Value, Value>();
  const seen = (x: Value, layout: Layout): Value => {
    const known = planes.get(x) ?? planesOf(layout.take(x), TILE);
    planes.set(x, known);
    return known;
  };
  const computed = computedIn(graph);
  /** A weight that does not learn would be transformed when the graph is loaded, and lie there in four times its size. */
  const patient = ({ op, inputs: [, second] }: Node, [x, weight]: readonly Value[], layout: Layout): Value =>
    op === "ConvWeightGradient" || computed.has(second!)
      ? weight!
      : waiting(weight!, layout.has(x!) ? layout.take(x!) : x!);
  const also: LayoutRewrite = (node, inputs, layout) => {
    const form = formOf(node, least);
    if (form) return layoutOf[form](node, inputs.with(1, patient(node, inputs, layout)), layout, seen);
    return others[node.op]?.(node, inputs, layout);
  };
  return channelsLast(graph, () => "direct", { also });
}

/** What follows from a graph's inputs. */
function computedIn({ inputs, nodes }: Graph): ReadonlySet<Value> {
  const computed = new Set(inputs);
  for (const node of nodes) {
    if (node.inputs.some((x) => x && computed.has(x))) for (const value of node.outputs) computed.add(value);
  }
  return computed;
}

type Form = `${"Conv" | "ConvInputGradient" | "ConvWeightGradient"} ${"winograd" | "product"}`;

/** Undefined for other operations, and for convolutions that are left to the device. */
function formOf(node: Node, least: number): Form | undefined {
  if (node.op !== "Conv" && node.op !== "ConvInputGradient" && node.op !== "ConvWeightGradient") return undefined;
  const weight = node.op === "ConvWeightGradient" ? node.outputs[0]! : node.inputs[1]!;
  const picture = node.inputs[node.op === "ConvWeightGradient" ? 1 : 0]!;
  const sides = weight.shape.slice(0, 2) as number[];
  if (!picture.shape.every((dim) => typeof dim === "number")) return undefined;
  if (keepsSize(node, 3)) return Math.min(...sides) < least ? undefined : `${node.op} winograd`;
  return keepsSize(node, 1) ? `${node.op} product` : undefined;
}

type Seen = (x: Value, layout: Layout) => Value;

const layoutOf: Readonly<Record<Form, (node: Node, inputs: readonly Value[], layout: Layout, seen: Seen) => Value>> = {
  "Conv winograd": (_, [x, weight, bias], layout, seen) =>
    layout.give(convolution(layout.take(x!), seen(x!, layout), weight!, bias, TILE)),
  "ConvInputGradient winograd": (_, [g, weight], layout) => layout.give(inputGradient(layout.take(g!), weight!, TILE)),
  "ConvWeightGradient winograd": (_, [g, x], layout, seen) => weightGradient(layout.take(g!), seen(x!, layout), TILE),
  "Conv product": (_, [x, weight, bias], layout) => {
    const product = timesTransposed(layout.take(x!), asMatrix(weight!));
    return layout.give(bias ? add(product, bias) : product);
  },
  "ConvInputGradient product": (_, [g, weight], layout) => layout.give(matmul(layout.take(g!), asMatrix(weight!))),
  "ConvWeightGradient product": (node, [g, x], layout) => {
    const [towards, from] = [g!, x!].map((v) => asRows(layout.take(v))) as [Value, Value];
    return reshape(fusedProduct(towards, from, { turnA: true }), node.outputs[0]!.shape);
  },
};

/** [K, C, 1, 1] → [K, C] */
const asMatrix = (weight: Value): Value => reshape(weight, weight.shape.slice(0, 2));

/** [B, H, W, C] → [B · H · W, C] */
function asRows(x: Value): Value {
  const dims = x.shape as readonly number[];
  return reshape(x, [dims.slice(0, -1).reduce((n, dim) => n * dim, 1), dims.at(-1)!]);
}

const isPicture = (x: Value, layout: Layout): boolean => x.shape.length === 4 && layout.has(x);

/** Operations on pictures that only gradients have, or that inference has no need of in this layout. */
const others: Readonly<Record<string, LayoutRewrite>> = {
  GroupNormGradient: (node, [g, x, weight], layout) => {
    if (!isPicture(x!, layout) && !isPicture(g!, layout)) return undefined;
    const about = node.attributes as unknown as GroupNormAttributes;
    const centred = layout.centred(x!, about);
    const [own, ...rest] = groupNormGradient(layout.take(g!), centred, weight!, about.groups, -1);
    return [layout.give(own), ...rest];
  },
  /** Sums over places, and over pictures too: the gradients of biases, and of what is added to all places. */
  ReduceSum: (node, [x], layout) => {
    if (!isPicture(x!, layout)) return undefined;
    const axes = Array.from(axesOf(node), Number);
    if (axes.includes(1) || !axes.includes(2) || !axes.includes(3)) return undefined;
    const keep = node.attributes["keepdims"] === 1;
    const moved = axes.map((axis) => Math.max(0, axis - 1));
    const sum = reduceSum(layout.take(x!), moved, { keep });
    return keep ? layout.give(sum) : sum;
  },
  Split: (node, [x], layout) => {
    if (!isPicture(x!, layout) || node.attributes["axis"] !== 1) return undefined;
    const lengths = node.outputs.map(({ shape }) => shape[1] as number);
    return split(layout.take(x!), lengths, 3).map((piece) => layout.give(piece));
  },
  Waiting: (_, [x, other], layout) => {
    const until = layout.has(other!) ? layout.take(other!) : other!;
    return isPicture(x!, layout) ? layout.give(waiting(layout.take(x!), until)) : waiting(x!, until);
  },
  /** Whole factors: each place gets the sum of a square. */
  ResizeNearestGradient: (node, [g], layout) => {
    const [batch, channels, height, width] = node.outputs[0]!.shape as number[] as [number, number, number, number];
    const [, , tall, wide] = g!.shape as number[] as [number, number, number, number];
    const [down, right] = [tall / height, wide / width];
    if (!isPicture(g!, layout) || ![down, right].every(Number.isInteger)) return undefined;
    const rows = reduceSum(reshape(layout.take(g!), [batch * height, down, wide * channels]), [1]);
    const all = reduceSum(reshape(rows, [batch * height * width, right, channels]), [1]);
    return layout.give(reshape(all, [batch, height, width, channels]));
  },
};

function axesOf(node: Node): BigInt64Array {
  const axes = node.inputs[1]!;
  return axes.graph.constants.get(axes)!.data as BigInt64Array;
}
