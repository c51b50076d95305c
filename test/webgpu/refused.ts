import { Graph, type OnnxModel, toOnnx } from "../../src/graph/index.ts";

/** A graph with an operation that the runtime has on the CPU alone. */
export function unsupported(): OnnxModel {
  const graph = new Graph("determinant");
  const x = graph.input("x", "float32", [2, 2]);
  const [determinant] = graph.node("Det", [x], [{ dtype: "float32", shape: [] }], {});
  graph.output("determinant", determinant!);
  return toOnnx(graph, () => {
    throw new Error("The graph has no weights.");
  });
}
