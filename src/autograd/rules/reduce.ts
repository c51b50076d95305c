import { div, expandAs, type Node, reduceSum, reshape, type Value } from "../../graph/index.ts";
import { float32 } from "../../tensor/index.ts";
import { type GradientRule, integersOf, single } from "../rule.ts";

/** The gradient of a reduction, copied along the axes that are gone. */
function spread(node: Node, g: Value): Value {
  const x = node.inputs[0]!;
  const axes = integersOf(node, 1);
  return expandAs(
    reshape(
      g,
      x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
    ),
    x,
  );
}

/** How many numbers come to one, as a value: a named dimension is known only when it runs. */
function count(node: Node): Value {
  const x = node.inputs[0]!;
  return reduceSum(expandAs(x.graph.constant(float32([], [1])), x), integersOf(node, 1));
}

export const reductions: Readonly<Record<string, GradientRule>> = {
  ReduceSum: single((node, g) => [spread(node, g)]),
  ReduceMean: single((node, g) => [div(spread(node, g), count(node))]),
};
