import { cast, copyInto, Graph, type TensorType, type Value } from "../../src/graph/index.ts";

/**
 * A graph of 16-bit floats as a device computes it that rounds what each operation gives, and has infinity beyond 65504:
 * in 32-bit floats, each of them rounded. The runtime's CPU would compute such a graph without most of the roundings.
 */
export function onFloat16Device(graph: Graph): Graph {
  const into = new Graph(graph.name);
  const wide = ({ dtype, shape }: TensorType): TensorType => ({
    dtype: dtype === "float16" ? "float32" : dtype,
    shape,
  });
  const rounded = (value: Value) => cast(cast(value, "float16"), "float32");
  const moved = copyInto(into, graph, {
    input: (value) => into.input(value.name, wide(value).dtype, value.shape),
    parameter: (name, { shape, dtype }) => {
      const parameter = into.parameter(name, shape as number[]);
      return dtype === "float16" ? rounded(parameter) : parameter;
    },
    node: ({ op, outputs, attributes }, inputs) => {
      const operands = inputs.map((value) => value && (value.dtype === "float16" ? cast(value, "float32") : value));
      const isWidth = op === "Cast" && [...inputs, ...outputs].every((each) => each?.dtype.startsWith("float"));
      const made = isWidth ? [operands[0]!] : into.node(op, operands, outputs.map(wide), attributes);
      return made.map((value, i) => (outputs[i]!.dtype === "float16" ? rounded(value) : value));
    },
  });
  for (const [name, value] of graph.outputs) into.output(name, moved.get(value)!);
  return into;
}
