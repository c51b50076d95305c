import { copyInto } from "./copy.ts";
import { Graph, type Node, type Value } from "./graph.ts";
import { type AttentionKind, attentionKind } from "./lowerings/attention-kind.ts";
import { cast } from "./ops/index.ts";

export interface Float16Options {
  /** Inputs and outputs that such graphs hand to each other: they are float16. The others keep their type. */
  readonly handed?: readonly string[];
  /** Where attention can be computed in float16. Default: nowhere, it is computed in float32 between casts. */
  readonly attends?: (about: AttentionKind) => boolean;
}

/** Sums that run away in 16 bits, and operations that count places. */
const IN_FLOAT32 = new Set(["Float32", "ReduceSum", "ScatterElements", "TopK", "LogSoftmax", "Softmax"]);

/**
 * The same computation in 16-bit floats, on the way that published half-precision models take: weights are float16, and so
 * is what is computed with them and what follows from it. Until a first weight comes in, as for the waves that stand for a
 * timestep, all is float32. Norms take float16 and give it; the kernels that they are lowered to add up in float32.
 */
export function inFloat16(graph: Graph, { handed = [], attends = () => false }: Float16Options = {}): Graph {
  const into = new Graph(graph.name);
  const converted = new Map<Value, Value>();
  const as = (dtype: "float16" | "float32", value: Value): Value => {
    if (!isFloat(value) || value.dtype === dtype) return value;
    const known = converted.get(value) ?? cast(value, dtype);
    converted.set(value, known).set(known, value);
    return known;
  };
  const isHanded = (name: string, value: Value) => isFloat(value) && handed.includes(name);
  const isExact = (node: Node, inputs: readonly (Value | undefined)[]): boolean => {
    if (node.op !== "Attention") return IN_FLOAT32.has(node.op);
    const kind = attentionKind(node);
    // A query that was marked as too large for 16 bits makes scores that are.
    return inputs[0]!.dtype === "float32" || !kind || !attends({ ...kind, dtype: "float16" });
  };
  const rewrite = (node: Node, inputs: readonly (Value | undefined)[]) => {
    if (!inputs.some((value) => value?.dtype === "float16")) return undefined;
    const { op, outputs, attributes } = node;
    const dtype = isExact(node, inputs) ? "float32" : "float16";
    const operands = inputs.map((value) => value && as(dtype, value));
    const types = outputs.map((type) => ({ dtype: isFloat(type) ? dtype : type.dtype, shape: type.shape }));
    const made = into.node(op, operands, types, attributes);
    return op === "Float32" ? made : made.map((value) => as("float16", value));
  };
  const moved = copyInto(into, graph, {
    input: (value) => into.input(value.name, isHanded(value.name, value) ? "float16" : value.dtype, value.shape),
    parameter: (name, { shape }) => into.parameter(name, shape as number[], "float16"),
    node: rewrite,
  });
  for (const [name, value] of graph.outputs) {
    const found = moved.get(value)!;
    into.output(name, as(isHanded(name, value) ? "float16" : "float32", found));
  }
  return into;
}

const isFloat = ({ dtype }: Pick<Value, "dtype">): boolean => dtype === "float32" || dtype === "float16";
