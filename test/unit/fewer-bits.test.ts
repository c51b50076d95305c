import { afterAll, describe, expect, test } from "vitest";
import {
  add,
  type ConvOptions,
  conv2d,
  Graph,
  inFewerBits,
  linear,
  lower,
  lowerFor,
  lowerings,
  matmul,
  mul,
  toOnnx,
  type Value,
  type WeightBits,
} from "../../src/graph/index.ts";
import { openLanguageModel } from "../../src/pipelines/language-model.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, float32ToFloat16, type Tensor } from "../../src/tensor/index.ts";
import { expectClose, maxAbs, std } from "../support/compare.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

const BLOCK = 32;
const [inner, outer] = [4 * BLOCK, 48];
const normal = (seed: number, ...shape: number[]) => float32(shape, new CpuGenerator(seed).randn(shape));

interface Case {
  readonly weight: Tensor;
  build(x: Value, weight: Value): Value;
}
const asLinear = (weight: Tensor): Case => ({ weight, build: linear });
const asMatmul = (weight: Tensor): Case => ({ weight, build: matmul });

/** x times a weight, with 8 bits or without. */
async function run({ weight, build }: Case, x: Tensor, change = inEightBits): Promise<Tensor> {
  const g = new Graph("product");
  g.output("y", build(g.input("x", "float32", ["rows", x.shape[1]!]), g.parameter("w", weight.shape as number[])));
  const session = await runtime.createSession(toOnnx(lower(change(g), lowerings.cpu), () => weight));
  const { y } = await session.run({ x });
  await session.release();
  return y!;
}

const inEightBits = (g: Graph): Graph => inFewerBits(g, () => 8);
const asItIs = (g: Graph): Graph => g;

/** Rows that pick one number each are exact in 8 bits: what comes out are the weights as they are computed with. */
function identity(n: number): Tensor<"float32"> {
  return float32(
    [n, n],
    Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
  );
}

/** The weight as it is computed with, [inner, outer]. */
const widened = (c: Case, length = inner) => run(c, identity(length));

describe("weights in 8 bits", () => {
  const weight = normal(1, inner, outer);
  const transposed = float32(
    [outer, inner],
    weight.data.map((_, i) => weight.data[(i % inner) * outer + Math.floor(i / inner)]!),
  );

  test.each([
    ["MatMul", asMatmul(weight)],
    ["Linear", asLinear(transposed)],
  ])("of %s move by half a step of their block at most", async (_, c) => {
    const got = (await widened(c)).data as Float32Array;
    let moved = 0;
    for (let column = 0; column < outer; column++) {
      for (let block = 0; block < inner; block += BLOCK) {
        const places = Array.from({ length: BLOCK }, (_, i) => (block + i) * outer + column);
        const largest = maxAbs(places.map((i) => weight.data[i]!));
        for (const i of places) {
          const distance = Math.abs(got[i]! - weight.data[i]!);
          expect(distance).toBeLessThanOrEqual((largest / 254) * 1.0001);
          if (distance > 0) moved++;
        }
      }
    }
    expect(moved).toBeGreaterThan(inner);
  });

  test.each([
    ["MatMul", asMatmul(weight)],
    ["Linear", asLinear(transposed)],
  ])("a product by %s stays within 1 % of float32's", async (_, c) => {
    const x = normal(2, 7, inner);
    const [got, want] = [await run(c, x), await run(c, x, asItIs)];
    const error = (got.data as Float32Array).map((y, i) => y - (want.data as Float32Array)[i]!);
    expect(std(error) / std(want.data as Float32Array)).toBeLessThan(0.01);
    expect(std(error)).toBeGreaterThan(0);
  });

  test("a row is computed by itself", async () => {
    const x = normal(3, 5, inner);
    // Another row that is far larger.
    x.data.fill(1000, 0, inner);
    const together = (await run(asMatmul(weight), x)).data as Float32Array;
    const alone = await run(asMatmul(weight), float32([1, inner], x.data.slice(4 * inner)));
    expect(together.slice(4 * outer)).toEqual(alone.data);
  });

  test("come of 16 bits too", async () => {
    const half: Tensor = { dtype: "float16", shape: weight.shape, data: float32ToFloat16(weight.data) };
    expectClose(await widened(asMatmul(half)), weight, 0.02, { per: "max" });
  });

  test("blocks of zeros stay zeros", async () => {
    const zeros = float32([inner, outer], new Float32Array(inner * outer));
    expect((await widened(asMatmul(zeros))).data).toEqual(zeros.data);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "%d shows in what comes out",
    async (bad) => {
      const damaged = float32([inner, outer], weight.data.slice());
      damaged.data[5 * outer + 3] = bad;
      const got = (await run(asMatmul(damaged), normal(4, 1, inner))).data as Float32Array;
      expect(got.findIndex((y) => Number.isNaN(y))).toBe(3);
      expect(got.filter((y) => !Number.isFinite(y))).toHaveLength(1);
    },
  );
});

test("what is no weight, or does not divide into blocks, is computed as before", () => {
  const g = new Graph("odd");
  const x = g.input("x", "float32", ["rows", 36]);
  const y = matmul(x, g.parameter("w", [36, 64]));
  g.output("y", matmul(y, g.input("other", "float32", [64, 64])));
  expect(inEightBits(g).nodes.map(({ op }) => op)).toEqual(["MatMul", "MatMul"]);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  "%d in a weight that stays exact shows in what comes out",
  async (bad) => {
    const weights: Record<string, Tensor> = { scale: normal(1, inner), weight: normal(2, outer, inner) };
    (weights["scale"]!.data as Float32Array)[3] = bad;
    const g = new Graph("scaled");
    const x = mul(g.input("x", "float32", ["rows", inner]), g.parameter("scale", [inner]));
    g.output("y", linear(x, g.parameter("weight", [outer, inner])));
    const kept = inFewerBits(g, (name) => (name === "weight" ? 8 : undefined));
    const session = await runtime.createSession(toOnnx(lower(kept, lowerings.cpu), (name) => weights[name]!));
    const { y } = await session.run({ x: normal(3, 2, inner) });
    expect((y!.data as Float32Array).some((value) => !Number.isFinite(value))).toBe(true);
  },
);

test("a bias is added, and parameters keep their names and shapes", async () => {
  const weights: Record<string, Tensor> = { "fc.weight": normal(1, outer, inner), "fc.bias": normal(2, outer) };
  const build = (withBias: boolean) => {
    const g = new Graph("mlp");
    const x = g.input("x", "float32", ["rows", inner]);
    g.scope("fc", () => {
      const [weight, bias] = [g.parameter("weight", [outer, inner]), g.parameter("bias", [outer])];
      g.output("y", withBias ? linear(x, weight, bias) : add(linear(x, weight), bias));
    });
    return inEightBits(g);
  };
  expect([...build(true).parameters].map(([name, { shape }]) => [name, shape])).toEqual([
    ["fc.weight", [outer, inner]],
    ["fc.bias", [outer]],
  ]);
  const outputs = await Promise.all(
    [true, false].map(async (withBias) => {
      const session = await runtime.createSession(
        toOnnx(lower(build(withBias), lowerings.cpu), (name) => weights[name]!),
      );
      return (await session.run({ x: normal(3, 2, inner) }))["y"]!;
    }),
  );
  expectClose(outputs[0]!, outputs[1]!, 1e-6, { per: "max" });
});

describe("weights in 4 bits", () => {
  const weight = normal(1, outer, inner);
  const inFourBits = (g: Graph): Graph => inFewerBits(g, () => 4);

  test("move by half a step of their block, or to its end where that lies on the other side", async () => {
    const got = (await run(asLinear(weight), identity(inner), inFourBits)).data as Float32Array;
    const distinct = new Set<number>();
    for (let row = 0; row < outer; row++) {
      for (let block = 0; block < inner; block += BLOCK) {
        const places = Array.from({ length: BLOCK }, (_, i) => block + i);
        const values = places.map((i) => weight.data[row * inner + i]!);
        const largest = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
        const step = Math.abs(largest) / 8;
        const end = (-7 * largest) / 8;
        for (const [k, i] of places.entries()) {
          const wanted = largest > 0 ? Math.max(values[k]!, end) : Math.min(values[k]!, end);
          const found = got[i * outer + row]!;
          expect(Math.abs(found - wanted)).toBeLessThanOrEqual((step / 2) * 1.0001);
          if (row === 0 && block === 0) distinct.add(Math.round((8 * found) / largest));
        }
      }
    }
    expect(distinct.size).toBeGreaterThan(6);
    expect(distinct.size).toBeLessThanOrEqual(16);
  });

  test("a product stays within 12 % of float32's", async () => {
    const x = normal(2, 7, inner);
    const [got, want] = [await run(asLinear(weight), x, inFourBits), await run(asLinear(weight), x, asItIs)];
    const error = (got.data as Float32Array).map((y, i) => y - (want.data as Float32Array)[i]!);
    expect(std(error) / std(want.data as Float32Array)).toBeLessThan(0.12);
    expect(std(error) / std(want.data as Float32Array)).toBeGreaterThan(0.02);
  });
});

describe("convolutions", () => {
  const [channels, features, height, width] = [2 * BLOCK, 24, 9, 7];
  interface Conv extends ConvOptions {
    readonly kernel: number;
    readonly bias: boolean;
  }
  const layers: [string, Conv][] = [
    ["3×3", { kernel: 3, padding: 1, bias: true }],
    ["3×3 with a step of two", { kernel: 3, padding: 1, stride: 2, bias: true }],
    ["3×3 with a border at two sides", { kernel: 3, padding: [0, 0, 1, 1], stride: 2, bias: false }],
    ["1×1", { kernel: 1, bias: true }],
    ["1×1 with a step of two", { kernel: 1, stride: 2, bias: false }],
    ["5×5", { kernel: 5, padding: 2, bias: true }],
  ];

  async function convolved(
    { kernel, bias, ...options }: Conv,
    lowered: (g: Graph) => Graph,
    side = { height, width },
    change: (weight: Tensor<"float32">) => void = () => {},
  ) {
    const g = new Graph("convolution");
    const x = g.input("x", "float32", ["batch", channels, side.height, side.width]);
    const weight = normal(1, features, channels, kernel, kernel);
    change(weight);
    const weights: Record<string, Tensor> = { weight, bias: normal(2, features) };
    const [w, b] = [g.parameter("weight", weight.shape), bias ? g.parameter("bias", [features]) : undefined];
    g.output("y", conv2d(x, w, b, options));
    const session = await runtime.createSession(toOnnx(lowered(g), (name) => weights[name]!));
    const { y } = await session.run({ x: normal(3, 2, channels, side.height, side.width) });
    await session.release();
    return y as Tensor<"float32">;
  }
  const exactly = (g: Graph) => lower(g, lowerings.cpu);
  const inBits = (bits: WeightBits) => (g: Graph) => inFewerBits(g, () => bits);
  const inBlocks = (bits: WeightBits) => (g: Graph) => lower(inBits(bits)(g), lowerings.cpu);
  const asDrawn =
    (bits: WeightBits, signedBytes = true) =>
    (g: Graph) =>
      lowerFor("cpu", inBits(bits)(g), { signedBytes });

  async function distance(about: Conv, lowered: (g: Graph) => Graph, side?: { height: number; width: number }) {
    const [got, want] = [await convolved(about, lowered, side), await convolved(about, exactly, side)];
    expect(got.shape).toEqual(want.shape);
    return std(got.data.map((y, i) => y - want.data[i]!)) / std(want.data);
  }

  test.each(layers)("%s stay within 2 % of float32's in 8 bits and 12 % in 4, in every form", async (_, about) => {
    for (const lowered of [inBlocks(8), asDrawn(8)]) {
      const found = await distance(about, lowered);
      expect(found).toBeLessThan(0.02);
      expect(found).toBeGreaterThan(0.001);
    }
    for (const lowered of [inBlocks(4), asDrawn(4)]) {
      const found = await distance(about, lowered);
      expect(found).toBeLessThan(0.12);
      expect(found).toBeGreaterThan(0.02);
    }
  });

  test("bytes with and without a sign come to the same numbers", async () => {
    const [, about] = layers[0]!;
    expect(await convolved(about, asDrawn(8, true))).toEqual(await convolved(about, asDrawn(8, false)));
  });

  test("a large picture is convolved in bands, which shows nowhere", async () => {
    const about: Conv = { kernel: 3, padding: 1, bias: true };
    const side = { height: 150, width: 160 };
    const g = new Graph("large");
    const x = g.input("x", "float32", ["batch", channels, side.height, side.width]);
    g.output("y", conv2d(x, g.parameter("weight", [features, channels, 3, 3]), undefined, { padding: 1 }));
    const products = inBlocks(8)(g).nodes.filter(({ op }) => op === "com.microsoft.MatMulNBits");
    expect(products.length).toBeGreaterThan(1);
    expect(await distance(about, inBlocks(8), side)).toBeLessThan(0.01);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("%d in a weight shows in what comes out", async (bad) => {
    for (const lowered of [inBlocks(8), asDrawn(8), asDrawn(4)]) {
      const { data } = await convolved({ kernel: 3, padding: 1, bias: false }, lowered, undefined, ({ data }) => {
        data[5 * channels * 9 + 3] = bad;
      });
      expect(data.some((y) => !Number.isFinite(y))).toBe(true);
    }
  });

  test("a weight of zeros gives zeros, or what a scale of 1e-30 leaves of rounding", async () => {
    for (const lowered of [inBlocks(8), asDrawn(8), asDrawn(4)]) {
      const { data } = await convolved({ kernel: 3, padding: 1, bias: false }, lowered, undefined, ({ data }) => {
        data.fill(0);
      });
      expect(maxAbs(data)).toBeLessThan(1e-25);
    }
  });
});

test("GPT-2 in 8 bits, of weights stored in 8 bits themselves, says nearly what it says in float32", async () => {
  const logits: Float32Array[] = [];
  for (const weights of ["float32", "8bit"] as const) {
    const model = await openLanguageModel(undefined, runtime, { weights });
    const reader = model.read();
    const first = await reader.readOn([model.tokenizer.encode("a house by the lake")]);
    const second = await reader.readOn([model.tokenizer.encode(",")]);
    logits.push(Float32Array.from([...first, ...second]));
    reader.close();
    await model.close();
  }
  const [exact, got] = logits as [Float32Array, Float32Array];
  const error = got.map((x, i) => x - exact[i]!);
  expect(std(error)).toBeGreaterThan(0);
  expect(std(error) / std(exact)).toBeLessThan(0.02);
});

test("a form that is none is refused by name", async () => {
  await expect(openLanguageModel(undefined, runtime, { weights: "4bit" as "8bit" })).rejects.toThrow('not in "4bit"');
});
