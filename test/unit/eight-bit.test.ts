import { afterAll, describe, expect, test } from "vitest";
import {
  add,
  Graph,
  inEightBits,
  linear,
  lower,
  lowerings,
  matmul,
  toOnnx,
  type Value,
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
