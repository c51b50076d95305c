/** Adapters (LoRA and its relatives) as a part of the graph: their scales are inputs, so a change of scale loads nothing. */
import type { AdapterLayer, Product } from "../configs/index.ts";
import {
  add,
  conv2d,
  convAttributes,
  copyInto,
  type Dim,
  Graph,
  linear,
  matmul,
  mul,
  type Node,
  reshape,
  type Value,
} from "../graph/index.ts";
import { InputError, type StoredTensor, sizeOf } from "../tensor/index.ts";

/** An adapter as far as it concerns one network. */
export interface GraphAdapter {
  /** For messages. */
  readonly name: string;
  readonly layers: ReadonlyMap<string, AdapterLayer>;
}

/** The paths of the layers that an adapter can change: linear ones and convolutions. */
export function adaptableLayers(graph: Graph): string[] {
  const names = parameterNames(graph);
  return graph.nodes.flatMap((node) => layerOf(node, names) ?? []);
}

/** The name of the scalar input that an adapter's scale is given by. */
export const scaleName = (index: number): string => `adapter.${index}.scale`;

/**
 * The same network with adapters: one more input "adapter.i.scale" [] for each, 0 leaving the network as it is. Their
 * numbers become parameters, whose places in the files are returned by name.
 *
 * @throws InputError naming the adapter and the layer whose shapes do not fit
 */
export function adapt(
  graph: Graph,
  adapters: readonly GraphAdapter[],
): { readonly graph: Graph; readonly stored: ReadonlyMap<string, StoredTensor> } {
  const adapted = new Graph(graph.name);
  const stored = new Map<string, StoredTensor>();
  const scales = adapters.map((_, i) => adapted.input(scaleName(i), "float32", []));
  addBranches(adapted, graph, (layer, own) =>
    adapters.flatMap((adapter, i) => {
      const change = adapter.layers.get(layer);
      if (!change) return [];
      const parameter = (leaf: string, tensor: StoredTensor, shape: readonly number[] = tensor.shape): Value => {
        const name = `adapter.${i}.${leaf}`;
        const value = adapted.parameter(name, shape);
        stored.set(value.name, tensor);
        return value;
      };
      const strength = mul(scales[i]!, change.factor);
      const fail = (what: string) =>
        new InputError(`The adapter ${adapter.name} does not fit the model: ${layer} ${what}.`);
      const branch = { ...own, strength, parameter, fail };
      return [change.kind === "lora" ? loraBranch(change, branch) : weightBranch(change, branch)];
    }),
  );
  return { graph: adapted, stored };
}

/** How large a LoRA is, and how strong: ΔW = alpha / rank · up · down. */
export interface LoraSize {
  readonly rank: number;
  readonly alpha: number;
}

/**
 * The same network with a LoRA beside each of the `layers`, whose numbers are parameters: "<layer>.lora_down" [rank, in, …] and
 * "<layer>.lora_up" [out, rank].
 */
export function withLora(graph: Graph, layers: ReadonlySet<string>, { rank, alpha }: LoraSize): Graph {
  const adapted = new Graph(graph.name);
  addBranches(adapted, graph, (layer, own) => {
    if (!layers.has(layer)) return [];
    const parameter = (leaf: string, shape: readonly number[]) => adapted.parameter(`lora_${leaf}`, shape);
    return [lowRank(rank, { ...own, strength: alpha / rank, parameter })];
  });
  return adapted;
}

/** A layer, as its branch sees it. */
interface Layer {
  readonly x: Value;
  readonly weight: Value;
  readonly node: Node;
}

/** Appends a copy of `graph`, each layer's result with those of its branches added. */
function addBranches(into: Graph, graph: Graph, branchesOf: (path: string, layer: Layer) => readonly Value[]): void {
  const names = parameterNames(graph);
  const moved = copyInto(into, graph, {
    node: (node, inputs) => {
      const path = layerOf(node, names);
      const [x, weight] = inputs as [Value, Value];
      const branches = path === undefined ? [] : branchesOf(path, { x, weight, node });
      if (branches.length === 0) return undefined;
      return branches.reduce(add, into.node(node.op, inputs, node.outputs, node.attributes)[0]!);
    },
  });
  for (const [name, value] of graph.outputs) into.output(name, moved.get(value)!);
}

interface Branch extends Layer {
  readonly strength: Value;
  parameter(leaf: string, tensor: StoredTensor, shape?: readonly number[]): Value;
  fail(what: string): InputError;
}

function loraBranch(change: Extract<AdapterLayer, { kind: "lora" }>, branch: Branch): Value {
  const { down, up } = change;
  const { weight, parameter, fail } = branch;
  const [features, ...rest] = weight.shape as readonly number[];
  const rank = down.shape[0]!;
  if (sizeOf(down.shape) !== rank * sizeOf(rest) || sizeOf(up.shape) !== features! * rank) {
    throw fail(`is [${weight.shape}], its adapter up [${up.shape}] and down [${down.shape}]`);
  }
  return lowRank(rank, { ...branch, parameter: (leaf, shape) => parameter(leaf, change[leaf], shape) });
}

interface LowRank extends Layer {
  readonly strength: Value | number;
  parameter(leaf: "down" | "up", shape: readonly number[]): Value;
}

/** up(down(x)): never the size of the weight itself. */
function lowRank(rank: number, { x, weight, node, strength, parameter }: LowRank): Value {
  const [features, ...rest] = weight.shape as [number, ...number[]];
  const down = parameter("down", [rank, ...rest]);
  if (node.op === "Linear") return linear(mul(linear(x, down), strength), parameter("up", [features, rank]));
  const { strides, pads } = convAttributes(node);
  const low = conv2d(x, down, undefined, { stride: strides[0], padding: pads });
  return conv2d(mul(low, strength), parameter("up", [features, rank, 1, 1]), undefined, {});
}

/** ΔW as a whole, which the layer computes with beside its own weight. */
function weightBranch(change: Exclude<AdapterLayer, { kind: "lora" }>, branch: Branch): Value {
  const { x, weight, node, strength, parameter, fail } = branch;
  const matrix = (leaf: string, w: StoredTensor | Product): Value =>
    "a" in w ? matmul(parameter(`${leaf}_a`, w.a), parameter(`${leaf}_b`, w.b)) : parameter(leaf, w);
  const [w1, w2] = [matrix("w1", change.w1), matrix("w2", change.w2)];
  const product = change.kind === "loha" ? mul(w1, w2) : kronecker(w1, w2);
  const shape = weight.shape as readonly number[];
  if (sizeOf(product.shape as number[]) !== sizeOf(shape)) {
    throw fail(`is [${shape}], its adapter comes to [${product.shape}]`);
  }
  const delta = mul(reshape(product, shape), strength);
  if (node.op === "Linear") return linear(x, delta);
  const { strides, pads } = convAttributes(node);
  return conv2d(x, delta, undefined, { stride: strides[0], padding: pads });
}

/** [a, b] ⊗ [c, d, …] = [a c, b d, …] */
function kronecker(w1: Value, w2: Value): Value {
  const [a, b] = w1.shape as [number, number];
  const [c, d, ...kernel] = w2.shape as [number, number, ...number[]];
  const ones: Dim[] = kernel.map(() => 1);
  const each = mul(reshape(w1, [a, 1, b, 1, ...ones]), reshape(w2, [1, c, 1, d, ...kernel]));
  return reshape(each, [a * c, b * d, ...kernel]);
}

function parameterNames({ parameters }: Graph): ReadonlyMap<Value, string> {
  return new Map([...parameters].map(([name, value]) => [value, name]));
}

/** The path of the layer that a node is, where it has a weight of its own. */
function layerOf(node: Node, names: ReadonlyMap<Value, string>): string | undefined {
  if (node.op !== "Linear" && node.op !== "Conv") return undefined;
  return names.get(node.inputs[1]!)?.replace(/\.weight$/, "");
}
