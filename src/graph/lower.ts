import { Graph, type Node, type Value } from "./graph.ts";

/** Writes what `node` computes with other operations; gets the node's operands in the new graph, returns its outputs. */
export type Lowering = (node: Node, inputs: readonly (Value | undefined)[]) => Value | readonly Value[];

/** How a device wants operations written, by the operation's name; those not named stay as they are. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** The same computation with every operation that `lowerings` knows replaced. The given graph is left untouched. */
export function lower(graph: Graph, lowerings: Lowerings): Graph {
  const lowered = new Graph(graph.name);
  const moved = new Map<Value, Value>();
  for (const input of graph.inputs) moved.set(input, lowered.input(input.name, input.dtype, input.shape));
  for (const [name, value] of graph.parameters) moved.set(value, lowered.parameter(name, value.shape as number[]));
  for (const [value, tensor] of graph.constants) moved.set(value, lowered.constant(tensor));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => value && moved.get(value));
    const outputs = lowered.scope(node.scope, () => {
      const lowering = lowerings[node.op];
      const made = lowering ? lowering(node, inputs) : lowered.node(node.op, inputs, node.outputs, node.attributes);
      return Array.isArray(made) ? (made as readonly Value[]) : [made as Value];
    });
    node.outputs.forEach((value, i) => {
      moved.set(value, outputs[i]!);
    });
  }
  for (const [name, value] of graph.outputs) lowered.output(name, moved.get(value)!);
  return lowered;
}
