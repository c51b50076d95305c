import { copyInto } from "./copy.ts";
import { Graph, type Node, type Value } from "./graph.ts";

/** Writes what `node` computes with other operations; gets the node's operands in the new graph, returns its outputs. */
export type Lowering = (node: Node, inputs: readonly (Value | undefined)[]) => Value | readonly Value[];

/** How a device wants operations written, by the operation's name; those not named stay as they are. */
export type Lowerings = Readonly<Record<string, Lowering>>;

/** The same computation with every operation that `lowerings` knows replaced. The given graph is left untouched. */
export function lower(graph: Graph, lowerings: Lowerings): Graph {
  const lowered = new Graph(graph.name);
  const moved = copyInto(lowered, graph, { node: (node, inputs) => lowerings[node.op]?.(node, inputs) });
  for (const [name, value] of graph.outputs) lowered.output(name, moved.get(value)!);
  return lowered;
}
