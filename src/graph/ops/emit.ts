import { floats, int64, type Tensor } from "../../tensor/index.ts";
import type { Attributes, Graph, TensorType, Value } from "../graph.ts";

/** Adds a node with one output to the graph of its first operand. */
export function emit(
  op: string,
  inputs: readonly (Value | undefined)[],
  type: TensorType,
  attributes: Attributes = {},
): Value {
  return emitAll(op, inputs, [type], attributes)[0]!;
}

export function emitAll(
  op: string,
  inputs: readonly (Value | undefined)[],
  types: readonly TensorType[],
  attributes: Attributes = {},
): Value[] {
  const graph = inputs.find((v) => v !== undefined)?.graph;
  if (!graph) throw new Error(`${op} needs at least one operand to know its graph.`);
  return graph.node(op, inputs, types, attributes);
}

/** Where an operation stands, for its errors: its name and the path that is being built. */
export function at(op: string, value: Value): string {
  return value.graph.path ? `${op} in "${value.graph.path}"` : op;
}

/** An operand beside `value`: a number becomes a constant of its type, a tensor a constant; values pass through. */
export function lift(value: Value, operand: Value | number | Tensor): Value {
  if (typeof operand === "number") return value.graph.constant(floats(halfOrWhole(value), [], [operand]));
  return "graph" in operand ? operand : value.graph.constant(operand);
}

/** The type that numbers take beside `value`. */
export function halfOrWhole({ dtype }: TensorType): "float16" | "float32" {
  return dtype === "float16" ? "float16" : "float32";
}

export function integers(graph: Graph, values: readonly number[]): Value {
  return graph.constant(int64([values.length], values));
}
