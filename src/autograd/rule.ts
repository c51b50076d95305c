import type { Node, Value } from "../graph/index.ts";

/**
 * The gradients of a node's inputs, given those of its outputs (undefined where nothing came back), in the inputs' order;
 * undefined for what has none. `wanted[i]` says whether anybody needs the i-th: the others may be left out.
 */
export type GradientRule = (
  node: Node,
  upstream: readonly (Value | undefined)[],
  wanted: readonly boolean[],
) => readonly (Value | undefined)[];

/** A rule for nodes with one output, which did get a gradient. */
export function single(
  rule: (node: Node, upstream: Value, wanted: readonly boolean[]) => readonly (Value | undefined)[],
): GradientRule {
  return (node, [upstream], wanted) => rule(node, upstream!, wanted);
}

/** What a node was told by a constant operand. */
export function integersOf(node: Node, input: number): number[] {
  const value = node.inputs[input]!;
  return Array.from(value.graph.constants.get(value)!.data as BigInt64Array, Number);
}
