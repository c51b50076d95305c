// Builds a small graph, prints it, meets a wrong shape, and runs it: node examples/graph.mjs
import { add, Graph, groupNorm, lower, lowerings, print, silu, toOnnx } from "inkling/graph";
import { createProcessRuntime } from "inkling/runtime";
import { float32 } from "inkling/tensor";

// x [B batch, C channels, T values]: normalise in groups, then a gate, then the way around both.
const graph = new Graph("residual");
const x = graph.input("x", "float32", [1, 4, 3]);
const y = graph.scope("block", () => {
  const [weight, bias] = [graph.parameter("norm.weight", [4]), graph.parameter("norm.bias", [4])];
  return add(x, silu(groupNorm(x, weight, bias, { groups: 2, epsilon: 1e-5 })));
});
graph.output("y", y);
console.log(print(graph));

// A wrong shape fails on the line that made the node, before anything runs.
try {
  add(x, graph.constant(float32([5], [1, 2, 3, 4, 5])));
} catch (error) {
  console.log(`\n${error.name}: ${error.message}\n`);
}

// A device's lowering writes each operation with what the device has; then numbers take the parameters' places.
const weights = { "block.norm.weight": float32([4], [1, 1, 1, 1]), "block.norm.bias": float32([4], [0, 0, 0, 0]) };
const lowered = lower(graph, lowerings.cpu);
console.log(`${graph.nodes.length} operations, ${lowered.nodes.length} nodes on the CPU`);

const runtime = createProcessRuntime({ device: "cpu", threads: 1 });
const session = await runtime.createSession(toOnnx(lowered, (name) => weights[name]));
const { y: result } = await session.run({ x: float32([1, 4, 3], [1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1]) });
console.log(`y = ${JSON.stringify([...result.data].map((value) => Number(value.toFixed(4))))}`);
await runtime.close();
