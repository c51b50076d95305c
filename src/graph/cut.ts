import { Graph, type Node, type Value } from "./graph.ts";

/** Values by the name that they have as outputs, or as inputs. */
export type Named = Readonly<Record<string, Value>>;

/**
 * The part of a computation that gives `outputs`. The values of `given` are not computed there: they are its inputs, of
 * those names. Inputs, parameters and constants that nothing asks for are left out.
 */
export function partOf(graph: Graph, outputs: Named, given: Named = {}): Graph {
  const told = new Set(Object.values(given));
  const asked = new Set(Object.values(outputs));
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((value) => asked.has(value) && !told.has(value))) continue;
    nodes.push(node);
    for (const value of node.inputs) if (value) asked.add(value);
  }
  const part = new Graph(graph.name);
  const moved = new Map<Value, Value>();
  const inputs = graph.inputs.filter((value) => !told.has(value)).map((value) => [value.name, value] as const);
  for (const [name, value] of [...inputs, ...Object.entries(given)]) {
    if (asked.has(value)) moved.set(value, part.input(name, value.dtype, value.shape));
  }
  for (const [name, value] of graph.parameters) {
    if (asked.has(value) && !told.has(value))
      moved.set(value, part.parameter(name, value.shape as number[], value.dtype));
  }
  for (const [value, tensor] of graph.constants) {
    if (asked.has(value)) moved.set(value, part.constant(tensor));
  }
  for (const { op, scope, inputs, outputs, attributes } of nodes.reverse()) {
    const operands = inputs.map((value) => value && moved.get(value));
    const made = part.scope(scope, () => part.node(op, operands, outputs, attributes));
    for (const [i, value] of outputs.entries()) if (!moved.has(value)) moved.set(value, made[i]!);
  }
  for (const [name, value] of Object.entries(outputs)) part.output(name, moved.get(value)!);
  return part;
}

/**
 * Where a computation can be cut in two: the last values that follow from `inputs` and weights alone, by their own names.
 * Given them (see {@link partOf}), what is left of it asks for these inputs no more.
 */
export function followingFrom(graph: Graph, inputs: readonly Value[]): Named {
  const alone = new Set(inputs);
  const fromInputs = new Set(graph.inputs);
  const last: Record<string, Value> = {};
  for (const node of graph.nodes) {
    const operands = node.inputs.filter((value) => value !== undefined && fromInputs.has(value)) as Value[];
    if (operands.length === 0) continue;
    const follows = operands.every((value) => alone.has(value));
    for (const value of node.outputs) {
      fromInputs.add(value);
      if (follows) alone.add(value);
    }
    if (!follows) for (const value of operands) if (alone.has(value)) last[value.name] = value;
  }
  return last;
}
