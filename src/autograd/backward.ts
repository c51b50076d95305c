import { add, type Graph, type Node, showShape, type Value } from "../graph/index.ts";
import { float32 } from "../tensor/index.ts";
import { recomputed } from "./recompute.ts";
import { rules } from "./rules/index.ts";

export interface BackwardOptions {
  /** The gradient of what is computed from the result, of its shape. Default: 1. */
  readonly upstream?: Value;
  /**
   * The block that a node belongs to, by a name. What the nodes of a block computed is not kept for its gradients but
   * computed again from what the block was given (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
   * Default: everything is kept.
   */
  readonly blockOf?: (node: Node) => string | undefined;
  /** Makes an operand anew for a gradient rule, or a block, that reads it, once that gradient is there. Default: what there is is kept. */
  readonly anew?: (x: Value, gradient: Value) => Value | undefined;
}

/**
 * Reverse-mode differentiation (Linnainmaa 1970; Griewank & Walther 2008, ch. 3): appends to `graph` the nodes that
 * compute d result / d x for every x of `wanted`, and returns these gradients by x, each of x's shape. What is wanted but has
 * no influence on the result is missing from the map. Nodes stand in the scope of the one whose gradient they compute,
 * under "gradient".
 *
 * @param result a scalar ([] or [1]), or anything where `upstream` is given
 * @throws Error naming the operation that has no rule
 */
export function backward(
  graph: Graph,
  result: Value,
  wanted: Iterable<Value>,
  { upstream, blockOf = () => undefined, anew = () => undefined }: BackwardOptions = {},
): ReadonlyMap<Value, Value> {
  if (!upstream && result.shape.some((dim) => dim !== 1)) {
    throw new Error(
      `Gradients are of one number, and "${result.name}" is ${showShape(result.shape)}: give its own gradient too.`,
    );
  }
  const targets = new Set(wanted);
  // Only what lies between the wanted and the result: the rest has no business here.
  const influenced = new Set(targets);
  const path = graph.nodes.filter((node) => {
    if (!node.inputs.some((x) => x && influenced.has(x))) return false;
    for (const output of node.outputs) influenced.add(output);
    return true;
  });
  const again = recomputed(graph, { blockOf, anew });
  const gradients = new Map<Value, Value>([
    [result, upstream ?? graph.constant(float32(result.shape as number[], [1]))],
  ]);
  for (const node of path.reverse()) {
    const above = node.outputs.map((output) => gradients.get(output));
    const first = above.find((g) => g !== undefined);
    if (!first) continue;
    const rule = rules[node.op];
    if (!rule) throw new Error(`The operation ${node.op} ("${node.name}") has no gradient rule.`);
    const needed = node.inputs.map((x) => x !== undefined && influenced.has(x));
    const below = graph.scope(node.scope ? `${node.scope}.gradient` : "gradient", () => {
      const read = again(node, first);
      const inputs = read.inputs.map((x) => x && (anew(x, first) ?? x));
      return [...rule({ ...read, inputs }, above, needed)];
    });
    for (const [i, x] of node.inputs.entries()) {
      const gradient = below[i];
      if (!x || !gradient || !needed[i]) continue;
      if (showShape(gradient.shape) !== showShape(x.shape)) {
        throw new Error(
          `The rule of ${node.op} ("${node.name}") gave ${showShape(gradient.shape)} for ${showShape(x.shape)}.`,
        );
      }
      const known = gradients.get(x);
      gradients.set(x, known ? add(known, gradient) : gradient);
    }
  }
  return new Map([...targets].flatMap((x) => (gradients.has(x) ? [[x, gradients.get(x)!] as const] : [])));
}
