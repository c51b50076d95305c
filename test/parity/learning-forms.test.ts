/** Gradients as they are written for learning on the CPU, against those that are written plainly. */
import { afterAll, expect, test } from "vitest";
import { backward } from "../../src/autograd/index.ts";
import * as ops from "../../src/graph/index.ts";
import { Graph, lower, lowerForLearning, lowerings, toOnnx, type Value } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, sizeOf, type Tensor } from "../../src/tensor/index.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 2 });
afterAll(() => runtime.close());

interface Case {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  build(given: Readonly<Record<string, Value>>): Value;
}

const cases: Readonly<Record<string, Case>> = {
  "a 3×3 convolution whose sides are no multiples of a tile": {
    shapes: { x: [2, 3, 7, 9], w: [5, 3, 3, 3], b: [5] },
    build: ({ x, w, b }) => ops.conv2d(x!, w!, b!, { padding: 1 }),
  },
  "with a stride of 2": {
    shapes: { x: [2, 3, 8, 8], w: [5, 3, 3, 3], b: [5] },
    build: ({ x, w, b }) => ops.conv2d(x!, w!, b!, { stride: 2, padding: 1 }),
  },
  "1×1": { shapes: { x: [2, 3, 4, 5], w: [6, 3, 1, 1], b: [6] }, build: ({ x, w, b }) => ops.conv2d(x!, w!, b!) },
  "a residual block with a skip connection": {
    shapes: {
      x: [2, 4, 6, 6],
      skip: [2, 4, 6, 6],
      time: [2, 8, 1, 1],
      gamma: [8],
      beta: [8],
      w: [8, 8, 3, 3],
      v: [8, 8, 1, 1],
    },
    build: ({ x, skip, time, gamma, beta, w, v }) => {
      const both = ops.add(ops.concat([x!, skip!], 1), time!);
      const inner = ops.silu(ops.groupNorm(both, gamma!, beta!, { groups: 4, epsilon: 1e-5 }));
      const convolved = ops.conv2d(inner, w!, undefined, { padding: 1 });
      const up = ops.resizeNearest(ops.add(convolved, both), [12, 12]);
      return ops.conv2d(ops.conv2d(up, w!, undefined, { padding: 1 }), v!, undefined);
    },
  },
  "attention of pictures, some heads at a time": {
    shapes: { x: [1, 8, 34, 34], w: [8, 8, 3, 3], v: [8, 8, 1, 1] },
    build: ({ x, w, v }) => {
      const convolved = ops.conv2d(x!, ops.mul(w!, 0.1), undefined, { padding: 1 });
      const places = ops.transpose(ops.reshape(convolved, [1, 8, 34 * 34]), [0, 2, 1]);
      const attended = ops.attention(places, ops.mul(places, 0.5), places, { heads: 2 });
      const picture = ops.reshape(ops.transpose(attended, [0, 2, 1]), [1, 8, 34, 34]);
      return ops.conv2d(picture, v!, undefined);
    },
  },
};

test("a weight that is stored is transformed in each run, not when the graph is loaded", () => {
  const graph = new Graph("frozen");
  const x = graph.input("x", "float32", [1, 4, 8, 8]);
  graph.output("y", ops.conv2d(x, graph.parameter("w", [4, 4, 3, 3]), undefined, { padding: 1 }));
  const lowered = lowerForLearning("cpu", graph, { least: 1 });
  const fromInputs = new Set(lowered.inputs);
  for (const { inputs, outputs } of lowered.nodes) {
    if (inputs.some((value) => value && fromInputs.has(value))) for (const value of outputs) fromInputs.add(value);
  }
  expect(lowered.nodes.some(({ op }) => op === "com.microsoft.FusedMatMul")).toBe(true);
  expect(lowered.nodes.filter(({ outputs }) => !fromInputs.has(outputs[0]!))).toEqual([]);
});

test.each(Object.entries(cases))("%s", async (_, { shapes, build }) => {
  const random = new CpuGenerator(3);
  const numbers = (shape: readonly number[]) =>
    float32(shape, random.randn([Math.max(16, sizeOf(shape))]).slice(0, sizeOf(shape)));
  const graph = new Graph("f");
  const given = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, "float32", shape)]),
  );
  const y = build(given);
  const upstream = graph.input("upstream", "float32", y.shape);
  graph.output("y", y);
  const gradients = backward(graph, y, Object.values(given), { upstream });
  for (const [name, x] of Object.entries(given)) graph.output(`gradient of ${name}`, gradients.get(x)!);
  const feeds = Object.fromEntries(
    Object.entries({ ...shapes, upstream: y.shape as number[] }).map(([name, shape]) => [name, numbers(shape)]),
  );
  const [got, want] = [
    await outputsOf(lowerForLearning("cpu", graph, { least: 1 }), feeds),
    await outputsOf(lower(graph, lowerings.cpu), feeds),
  ];
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
  for (const [name, { shape, data }] of Object.entries(want)) {
    expect(got[name]!.shape, name).toEqual(shape);
    const stored = data as Float32Array;
    const largest = stored.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    expect(largest, name).toBeGreaterThan(0);
    const worst = stored.reduce((most, v, i) => Math.max(most, Math.abs(v - (got[name]!.data as Float32Array)[i]!)), 0);
    expect(worst / largest, name).toBeLessThanOrEqual(2e-5);
  }
});

async function outputsOf(graph: Graph, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const session = await runtime.createSession(
    toOnnx(graph, () => {
      throw new Error("The graph has no weights.");
    }),
  );
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}
