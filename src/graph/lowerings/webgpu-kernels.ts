import { copyInto } from "../copy.ts";
import { partOf } from "../cut.ts";
import { Graph, type Node, type Value } from "../graph.ts";
import { emit, emitAll } from "../ops/emit.ts";
import { matmul, reshape, transpose } from "../ops/index.ts";
import type { Dim } from "../shape.ts";

/**
 * The same computation with what the runtime has one kernel for on WebGPU in the place of several operations, each of which
 * would read and write all that lies between: a linear layer's bias with the residual that it is added to and the norm of
 * the sum (SkipLayerNormalization, else BiasAdd), a bias with its gate (BiasSplitGelu). And between pictures and sequences
 * channels come last, as the runtime lays convolutions out, so that nothing is turned twice.
 */
export function asKernels(graph: Graph): Graph {
  const into = new Graph(graph.name);
  const rewriter = new Rewriter(graph, into);
  const moved = copyInto(into, graph, { node: (node, inputs) => rewriter.rewrite(node, inputs) });
  return partOf(into, Object.fromEntries([...graph.outputs].map(([name, value]) => [name, moved.get(value)!])));
}

/** x · weightᵀ + bias in the new graph, its bias still to be added. */
interface Biased {
  readonly product: Value;
  readonly bias: Value;
}

class Rewriter {
  readonly #into: Graph;
  readonly #makers = new Map<Value, Node>();
  readonly #readers = new Map<Value, Node[]>();
  readonly #given: ReadonlySet<Value>;
  /** Operands of the nodes so far in the new graph. */
  readonly #moved = new Map<Value, Value>();
  /** Norms that came with the sum that they are of. */
  readonly #normed = new Map<Node, Value>();

  constructor(graph: Graph, into: Graph) {
    this.#into = into;
    this.#given = new Set(graph.outputs.values());
    for (const node of graph.nodes) {
      for (const value of node.outputs) this.#makers.set(value, node);
      for (const value of node.inputs) if (value) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
    }
  }

  rewrite(node: Node, inputs: readonly (Value | undefined)[]): Value | undefined {
    for (const [i, value] of node.inputs.entries()) if (value) this.#moved.set(value, inputs[i]!);
    switch (node.op) {
      case "Mul":
        return this.#gated(node);
      case "Add":
        return this.#residual(node, inputs as readonly Value[]);
      case "LayerNormalization":
        return this.#normed.get(node);
      case "Reshape":
        return this.#picture(node);
      case "Transpose":
        return this.#sequence(node);
    }
    return undefined;
  }

  /** What `value` was made by, if that is `op`, and nobody else reads it. */
  #only(value: Value | undefined, op: string): Node | undefined {
    const maker = value && this.#makers.get(value);
    if (maker?.op !== op || this.#given.has(value!)) return undefined;
    return this.#readers.get(value!)!.length === 1 ? maker : undefined;
  }

  /** A linear layer of a sequence [B, T, C], if nobody else reads what it gives. */
  #linear(value: Value | undefined): Biased | undefined {
    const linear = this.#only(value, "Linear");
    const [x, weight, bias] = linear?.inputs ?? [];
    if (!x || !weight || !bias || x.shape.length !== 3) return undefined;
    const of = (old: Value) => this.#moved.get(old)!;
    return { product: matmul(of(x), transpose(of(weight), [1, 0])), bias: of(bias) };
  }

  /** value · gelu(gate), both halves of a linear layer (GEGLU). */
  #gated({ inputs: [value, gated], outputs }: Node): Value | undefined {
    const gelu = this.#only(gated, "Gelu");
    const split = this.#only(gelu?.inputs[0], "Split");
    if (!split || gelu!.attributes["approximate"] !== "none" || this.#only(value, "Split") !== split) return undefined;
    const halves =
      split.outputs.length === 2 && split.outputs[0] === value && value!.shape.at(-1) === gated!.shape.at(-1);
    // The kernel reads four numbers at a time.
    if (!halves || (value!.shape.at(-1) as number) % 4 !== 0) return undefined;
    const linear = this.#linear(split.inputs[0]);
    return linear && emit("com.microsoft.BiasSplitGelu", [linear.product, linear.bias], outputs[0]!);
  }

  /** A linear layer on a residual stream. */
  #residual(node: Node, inputs: readonly Value[]): Value | undefined {
    const [sum] = node.outputs as [Value];
    const side = node.inputs.findIndex((value) => this.#only(value, "Linear"));
    const stream = inputs[1 - side];
    if (side < 0 || stream?.shape.join() !== sum.shape.join()) return undefined;
    const linear = this.#linear(node.inputs[side]);
    if (!linear) return undefined;
    const norm = this.#readers.get(sum)?.find(({ op }) => op === "LayerNormalization");
    const [weight, bias] = (norm?.inputs.slice(1) ?? []).map((value) => this.#into.parameters.get(value!.name));
    if (!norm || !weight || !bias) return emit("com.microsoft.BiasAdd", [linear.product, linear.bias, stream], sum);
    const row = { dtype: "float32", shape: [...sum.shape.slice(0, -1), 1] } as const;
    const [normed, , , total] = emitAll(
      "com.microsoft.SkipLayerNormalization",
      [linear.product, stream, weight, bias, linear.bias],
      [sum, row, row, sum],
      { epsilon: norm.attributes["epsilon"]! },
    );
    this.#normed.set(norm, normed!);
    return total;
  }

  /** [B, T, C] → [B, C, T] → [B, C, H, W], or [B, C] → [B, C, 1, 1] */
  #picture({ inputs: [x], outputs: [picture] }: Node): Value | undefined {
    const [batch, channels, height, width] = picture!.shape as readonly Dim[];
    if (picture!.shape.length !== 4 || batch !== x!.shape[0] || channels !== x!.shape[1]) return undefined;
    const last = x!.shape.length === 2 ? x : this.#turned(x);
    if (!last) return undefined;
    return transpose(reshape(this.#moved.get(last)!, [batch!, height!, width!, channels!]), [0, 3, 1, 2]);
  }

  /** [B, C, H, W] → [B, C, T] → [B, T, C] */
  #sequence(node: Node): Value | undefined {
    const [picture] = this.#only(node.inputs[0], "Reshape")?.inputs ?? [];
    const [batch, channels] = node.inputs[0]!.shape;
    const isPicture = picture?.shape.length === 4 && picture.shape[0] === batch && picture.shape[1] === channels;
    if (!isPicture || !isTurn(node)) return undefined;
    return reshape(transpose(this.#moved.get(picture)!, [0, 2, 3, 1]), node.outputs[0]!.shape);
  }

  /** [B, T, C], where `value` is [B, C, T] of it. */
  #turned(value: Value | undefined): Value | undefined {
    const turn = this.#only(value, "Transpose");
    return turn && isTurn(turn) ? turn.inputs[0] : undefined;
  }
}

const isTurn = ({ attributes }: Node): boolean => String(attributes["perm"]) === "0,2,1";
