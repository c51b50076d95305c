import { int64 } from "../tensor/index.ts";
import { copyInto } from "./copy.ts";
import { Graph, type Node, type TensorType, type Value } from "./graph.ts";
import { add, gatherAlong, reshape, sub } from "./ops/index.ts";

/**
 * The same computation for a batch that has some inputs in common: they are given once, with a first dimension of 1, and what
 * follows from them alone is computed once. It is repeated where it meets what is told for each, sums included, where it
 * might broadcast: the runtime makes one node of a convolution and a sum of two alike, which rounds in another way.
 *
 * @param shared names of inputs; those that the graph lacks are nothing to it
 */
export function shareInputs(graph: Graph, shared: readonly string[]): Graph {
  const given = graph.inputs.filter(({ name }) => shared.includes(name));
  const batch = given[0]?.shape[0];
  const told = graph.inputs.find((value) => value.shape[0] === batch && !given.includes(value));
  if (typeof batch !== "string" || !told) return graph;

  const into = new Graph(graph.name);
  const alone = new Set<Value>();
  const repeated = new Map<Value, Value>();
  const ofOne = ({ dtype, shape }: TensorType) => ({ dtype, shape: shape.map((dim) => (dim === batch ? 1 : dim)) });
  let zeros: Value | undefined;

  const input = (value: Value): Value => {
    const once = given.includes(value);
    const { dtype, shape } = once ? ofOne(value) : value;
    const made = into.input(value.name, dtype, shape);
    if (once) alone.add(made);
    if (value === told) zeros = zerosFor(made);
    return made;
  };
  const repeat = (value: Value, like: Value): Value => {
    const made =
      repeated.get(value) ??
      add(
        value,
        reshape(
          zeros!,
          like.shape.map((dim) => (dim === batch ? batch : 1)),
        ),
      );
    repeated.set(value, made);
    return made;
  };
  const node = ({ op, inputs: before, outputs, attributes }: Node, inputs: readonly (Value | undefined)[]) => {
    if (!inputs.some((value) => value && alone.has(value))) return;
    if (!inputs.some((value) => value && !alone.has(value) && value.shape.includes(batch))) {
      const made = into.node(op, inputs, outputs.map(ofOne), attributes);
      for (const value of made) alone.add(value);
      return made;
    }
    const operands = inputs.map((value, i) => (value && alone.has(value) ? repeat(value, before[i]!) : value));
    return into.node(op, operands, outputs, attributes);
  };
  const moved = copyInto(into, graph, { input, node });
  for (const [name, value] of graph.outputs) {
    const made = moved.get(value)!;
    into.output(name, alone.has(made) ? repeat(made, value) : made);
  }
  return into;
}

/** As many zeros as the batch is long, of numbers that are told for each: computed with shapes they would leave a graphics device. */
function zerosFor(told: Value): Value {
  const one = told.shape.reduce<Value>((x, _, axis) => (axis === 0 ? x : gatherAlong(x, axis, int64([1], [0]))), told);
  return sub(one, one);
}
