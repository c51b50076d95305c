/** Weights in fewer bits on WebGPU, no node of them on the CPU: near float32's numbers, as far from them as on the CPU. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  conv2d,
  Graph,
  inFewerBits,
  linear,
  lowerFor,
  toOnnxAhead,
  type Value,
  type WeightBits,
} from "../../src/graph/index.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { CpuGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { std } from "../support/compare.ts";
import { openAdapter } from "./adapter.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await openAdapter();
});
afterAll(() => runtime?.close());

const normal = (seed: number, ...shape: number[]) => float32(shape, new CpuGenerator(seed).randn(shape));

interface Layer {
  readonly x: Tensor<"float32">;
  readonly weight: Tensor<"float32">;
  build(x: Value, weight: Value, bias: Value): Value;
}

const layers: [string, Layer][] = [
  ["Linear", { x: normal(3, 2, 7, 96), weight: normal(1, 48, 96), build: linear }],
  [
    "Conv",
    {
      x: normal(3, 2, 64, 9, 7),
      weight: normal(1, 48, 64, 3, 3),
      build: (x, w, b) => conv2d(x, w, b, { padding: 1 }),
    },
  ],
];

async function run({ x, weight, build }: Layer, bits?: WeightBits): Promise<Float32Array> {
  const g = new Graph("layer");
  const input = g.input("x", "float32", ["batch", ...x.shape.slice(1)]);
  g.output("y", build(input, g.parameter("weight", weight.shape), g.parameter("bias", [48])));
  const kept = bits ? inFewerBits(g, (name) => (name === "weight" ? bits : undefined)) : g;
  const weights: Record<string, Tensor> = { weight, bias: normal(2, 48) };
  const session = await runtime.createSession(toOnnxAhead(lowerFor("webgpu", kept), (name) => weights[name]!));
  const { y } = await session.run({ x });
  await session.release();
  return y!.data as Float32Array;
}

test.each(layers)("%s", async (_, layer) => {
  const exact = await run(layer);
  const distance = async (bits: WeightBits) => {
    const got = await run(layer, bits);
    return std(got.map((y, i) => y - exact[i]!)) / std(exact);
  };
  const [eight, four] = [await distance(8), await distance(4)];
  expect(eight).toBeLessThan(0.01);
  expect(eight).toBeGreaterThan(1e-4);
  expect(four).toBeLessThan(0.12);
  expect(four).toBeGreaterThan(0.02);
});
