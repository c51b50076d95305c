import { type Graph, type Node, type Value, waiting } from "../graph/index.ts";

/** The node whose operands and results a gradient rule is to read, given the first gradient that came back to its block. */
export type Again = (node: Node, gradient: Value) => Node;

/** As `BackwardOptions` has them. */
interface Repeating {
  readonly blockOf: (node: Node) => string | undefined;
  readonly anew: (x: Value, gradient: Value) => Value | undefined;
}

/**
 * Blocks that are computed again when a gradient comes back to them. What a block was given, weights too, waits for that
 * gradient: else the runtime would find that both computations are the same, do one of them, and keep what it gave.
 */
export function recomputed(graph: Graph, { blockOf, anew }: Repeating): Again {
  const blocks = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    const name = blockOf(node);
    if (name === undefined) continue;
    if (!blocks.has(name)) blocks.set(name, []);
    blocks.get(name)!.push(node);
  }
  const twins = new Map<Node, Node>();

  function repeat(nodes: readonly Node[], gradient: Value): void {
    const values = new Map<Value, Value>();
    const given = (x: Value): Value => {
      const known = values.get(x) ?? (graph.constants.has(x) ? x : (anew(x, gradient) ?? waiting(x, gradient)));
      values.set(x, known);
      return known;
    };
    for (const node of nodes) {
      graph.scope(`${node.scope}.again`, () => {
        const inputs = node.inputs.map((x) => x && given(x));
        const outputs = graph.node(node.op, inputs, node.outputs, node.attributes);
        for (const [i, value] of node.outputs.entries()) values.set(value, outputs[i]!);
        twins.set(node, graph.nodes.at(-1)!);
      });
    }
  }

  return (node, gradient) => {
    const name = blockOf(node);
    if (name === undefined) return node;
    if (!twins.has(node)) repeat(blocks.get(name)!, gradient);
    return twins.get(node)!;
  };
}
