import { expect, test } from "vitest";
import {
  add,
  conv2d,
  Graph,
  gelu,
  linear,
  lower,
  lowerings,
  matmul,
  print,
  reshape,
  ShapeError,
  toOnnx,
} from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32 } from "../../src/tensor/index.ts";

test("a graph built here runs in ONNX Runtime", async () => {
  const g = new Graph("mlp");
  const x = g.input("x", "float32", ["batch", 2]);
  const y = g.scope("fc", () => linear(x, g.parameter("weight", [3, 2]), g.parameter("bias", [3])));
  g.output("y", add(y, 1));
  expect(print(g)).toContain("fc/Linear: float32[batch, 3] = Linear(x, fc.weight, fc.bias)");
  const weights = {
    "fc.weight": float32([3, 2], [1, 2, 3, 4, 5, 6]),
    "fc.bias": float32([3], [0.5, 0, -0.5]),
  };
  const model = toOnnx(lower(g, lowerings.cpu), (name) => weights[name as keyof typeof weights]);
  const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
  const session = await runtime.createSession(model);
  const out = await session.run({ x: float32([2, 2], [1, 1, 0, 1]) });
  expect([...(out["y"]!.data as Float32Array)]).toEqual([4.5, 8, 11.5, 3.5, 5, 6.5]);
  await runtime.close();
});

test("a wrong shape fails on the line that made the node and names both shapes", () => {
  const g = new Graph("wrong");
  const x = g.input("x", "float32", ["batch", 4, 8, 8]);
  expect(() => g.scope("conv_in", () => conv2d(x, g.parameter("weight", [6, 5, 3, 3]), undefined))).toThrow(ShapeError);
  expect(() => g.scope("conv_in", () => conv2d(x, g.parameter("weight", [6, 5, 3, 3]), undefined))).toThrow(
    'Conv in "conv_in": input [batch, 4, 8, 8] has 4 channels, weight [6, 5, 3, 3] wants 5.',
  );
  expect(() => add(x, gelu(g.input("y", "float32", ["batch", 3, 8, 8])))).toThrow(
    /\[batch, 4, 8, 8\] and \[batch, 3, 8, 8\]/,
  );
});

test("outputs bear their names, whatever they are: a node's value, the same one twice, an input, a weight in another shape", async () => {
  const g = new Graph("outputs");
  const x = g.input("x", "float32", [2]);
  const weight = g.parameter("w", [2, 3]);
  g.parameter("unused", [5]);
  const sum = add(x, 1);
  g.output("sum", sum);
  g.output("again", sum);
  g.output("more", add(sum, 1));
  g.output("given", x);
  g.output("long", reshape(weight, [6]));
  g.output("tall", matmul(reshape(weight, [3, 2]), reshape(sum, [2, 1])));
  const model = toOnnx(lower(g, lowerings.cpu), (name) =>
    name === "w" ? float32([2, 3], [1, 2, 3, 4, 5, 6]) : float32([5], [1, 1, 1, 1, 1]),
  );
  const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
  const session = await runtime.createSession(model);
  const out = await session.run({ x: float32([2], [10, 20]) });
  expect(
    Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, [...(data as Float32Array)]])),
  ).toEqual({
    sum: [11, 21],
    again: [11, 21],
    more: [12, 22],
    given: [10, 20],
    long: [1, 2, 3, 4, 5, 6],
    tall: [53, 117, 181],
  });
  await runtime.close();
});
