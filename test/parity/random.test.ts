import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  CpuGenerator,
  CudaGenerator,
  createGenerator,
  type FloatDType,
  float32ToBfloat16,
  float32ToFloat16,
  sizeOf,
  type Tensor,
} from "../../src/tensor/index.ts";
import { exists, need, path, readJson, readTensors } from "../support/fixtures.ts";

const DTYPES: Record<string, FloatDType> = { f32: "float32", f64: "float64", f16: "float16", bf16: "bfloat16" };
const { seeds } = readJson<{ seeds: Record<string, string> }>("random", "group.json");

/** The seed a tensor's name starts with: `seed42.…` → what group.json says of 42. */
function seedOf(name: string): bigint {
  const seed = seeds[name.split(".")[0]!.slice("seed".length)];
  if (seed === undefined) throw new Error(`group.json names no seed for ${name}.`);
  return BigInt(seed);
}

function numbersOf(t: Tensor): number[] {
  return Array.from(t.data as ArrayLike<number | bigint>, Number);
}

/** The tolerances of the fixtures' table: 1 unit of the last place in 16 bits, 1e-14 in float64, 2 ulp or 1e-6 else. */
function expectNormal(got: ArrayLike<number>, want: Tensor, name: string): void {
  expect(want.data.length, `${name} is empty`).toBeGreaterThan(0);
  expect(got.length, name).toBe(want.data.length);
  const data = want.data as ArrayLike<number>;
  for (let i = 0; i < data.length; i++) {
    const [g, w] = [got[i]!, data[i]!];
    if (distance(g, w, want.dtype) <= 1) continue;
    expect.fail(`${name}[${i}]: got ${g}, want ${w} (${want.dtype})`);
  }
}

/** How many times the allowed difference two numbers are apart. */
function distance(got: number, want: number, dtype: string): number {
  if (dtype === "float16" || dtype === "bfloat16") return Math.abs(ordinal(got) - ordinal(want));
  if (dtype === "float64") return Math.abs(got - want) / 1e-14;
  const ulp = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(want), 2 ** -126))) - 23);
  return Math.abs(got - want) / Math.max(2 * ulp, 1e-6);
}

/** 16-bit floats in their order on the number line, so that neighbours differ by 1. */
function ordinal(bits: number): number {
  return bits & 0x8000 ? 0x8000 - bits : bits;
}

describe("the CPU generator", () => {
  const randn = readTensors("random", "randn.safetensors");
  const streams = [...new Set([...randn.keys()].map((name) => name.slice(0, name.lastIndexOf("."))))];

  test.each(streams)("%s", (stream) => {
    const [, size, type] = stream.split(".") as [string, string, string];
    const generator = new CpuGenerator(seedOf(stream));
    for (let k = 0; k === 0 || randn.has(`${stream}.${k}`); k++) {
      const got = generator.randn(Number(size.slice(1)), DTYPES[type]!);
      expectNormal(got, need(randn, `${stream}.${k}`), `${stream}.${k}`);
    }
  });

  const state = readTensors("random", "state.safetensors");
  test.each([...state])("the engine's outputs, %s", (name, want) => {
    const generator = new CpuGenerator(seedOf(name));
    const got = Array.from({ length: want.data.length }, () => generator.random() % 2 ** 31);
    expect(got).toEqual(numbersOf(want));
  });
});

/** The operations of mixed.json beyond the generator's own, spelled out in terms of it. */
function draw(generator: CpuGenerator, name: string, args: number[]): ArrayLike<number> {
  const n = args.at(-1)!;
  switch (name) {
    case "randn":
      return generator.randn(args);
    case "rand":
      return generator.rand(n);
    case "rand64":
      return generator.rand(n, "float64");
    case "randint":
      return generator.randint(args[0]!, args[1]!, n);
    case "randperm":
      return generator.randperm(n);
    case "uniform":
      return generator.rand(n).map((u) => u * (args[1]! - args[0]!) + args[0]!);
    case "bernoulli":
      return generator.rand(n).map((u) => (u < Math.fround(args[0]!) ? 1 : 0));
    case "normal":
      return generator.randn(n).map((z) => args[0]! + args[1]! * z);
    case "exponential":
      return generator.exponential(n).map((e) => e / args[0]!);
    default:
      throw new Error(`mixed.json has the unknown operation ${name}.`);
  }
}

describe("draws of all kinds from one CPU generator", () => {
  const { operations } = readJson<{ operations: string[][] }>("random", "mixed.json");
  const mixed = readTensors("random", "mixed.safetensors");
  const labels = [...new Set([...mixed.keys()].map((name) => name.split(".")[0]!))];

  test.each(labels)("%s", (label) => {
    const generator = new CpuGenerator(seedOf(label));
    expect([...mixed.keys()].filter((name) => name.startsWith(`${label}.`))).toHaveLength(operations.length);
    for (const [i, [op, ...args]] of operations.entries()) {
      const name = `${label}.${String(i).padStart(2, "0")}.${op}`;
      const want = need(mixed, name);
      const got = draw(generator, op!, args.map(Number));
      if (["randn", "normal", "exponential"].includes(op!)) expectNormal(got, want, name);
      else expect(Array.from(got), name).toEqual(numbersOf(want));
    }
  });
});

describe("what pipelines draw", () => {
  const flows = readTensors("random", "flows.safetensors");
  const labels = [...new Set([...flows.keys()].map((name) => name.split(".")[0]!))];
  const numbered = (start: string) => [...flows.keys()].filter((name) => name.startsWith(start)).sort();

  test.each(labels)("%s: one generator, draw after draw", (label) => {
    const generator = new CpuGenerator(seedOf(label));
    const names = numbered(`${label}.draw`);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expectNormal(generator.randn(need(flows, name).shape), need(flows, name), name);
  });

  test.each(labels)("%s: indices by probability", (label) => {
    const generator = new CpuGenerator(seedOf(label));
    const pick = (p: number[]) => generator.multinomial(Float32Array.from(p))[0]!;
    const indices = need(flows, `${label}.multinomial`);
    const got = Array.from({ length: sizeOf(indices.shape) }, () => pick([0.1, 0.2, 0.3, 0.15, 0.25]));
    expect(got).toEqual(numbersOf(indices));
    const logits = Array.from({ length: 50 }, (_, i) => Math.exp(-2 + (4 * i) / 49));
    const total = logits.reduce((sum, x) => sum + x);
    const next = need(flows, `${label}.multinomial.next`);
    expect([pick(logits.map((x) => x / total))]).toEqual(numbersOf(next));
  });

  test.each(labels)("%s: a list of generators, one per picture, seeds counting up", (label) => {
    const names = numbered(`${label}.list.draw`);
    const [pictures, ...shape] = need(flows, names[0]!).shape as [number, ...number[]];
    const sources = Array.from({ length: pictures }, (_, i) => createGenerator("cpu", seedOf(label) + BigInt(i)));
    for (const name of names) {
      const got = sources.flatMap((source) => [...source.randn(shape)]);
      expectNormal(got, need(flows, name), name);
    }
  });
});

describe("torch.multinomial, row by row from one generator", () => {
  const stored = readTensors("gpt2", "multinomial.safetensors");
  const sets = [...stored.keys()].filter((name) => name.endsWith(".probabilities")).map((name) => name.split(".")[0]!);

  test.each(sets)("row set %s", (set) => {
    const [rows, entries] = need(stored, `${set}.probabilities`).shape as [number, number];
    const values = Float32Array.from(numbersOf(need(stored, `${set}.probabilities`)));
    const eachRow = <T>(draw: (p: Float32Array) => T[]) =>
      Array.from({ length: rows }, (_, r) => draw(values.subarray(r * entries, (r + 1) * entries))).flat();
    const numbers = (name: string) => numbersOf(need(stored, `${set}.${name}`));
    const fresh = new CpuGenerator(11).exponential([rows, entries]);
    expectNormal(fresh, need(stored, `${set}.exponential`), `${set}.exponential`);

    const generator = new CpuGenerator(11);
    const one = () => eachRow((p) => generator.multinomial(p));
    expect(one()).toEqual(numbers("one"));
    expect(one()).toEqual(numbers("one_again"));
    expect(eachRow((p) => generator.multinomial(p, 4))).toEqual(numbers("four_without_replacement"));
    expect(eachRow((p) => generator.multinomialWithReplacement(p, 6))).toEqual(numbers("six_with_replacement"));
    expect(() => generator.multinomial(new Float32Array(4))).toThrow("Cannot draw 1 of 0");
  });
});

const CUDA_RANDN = fileURLToPath(new URL("../fixtures/random/cuda-randn.json", import.meta.url));

interface CudaDraw {
  dtype: "float32" | "float16" | "bfloat16";
  seed: number;
  shape: number[];
  first: number[];
  last8: number[];
  second: number[];
  mean: number;
}

describe("the CUDA generator", () => {
  // Read off a device, not made by the generator: a fixture set without it is compared with the one kept here.
  const name = exists("random", "cuda-randn.json") ? path("random", "cuda-randn.json") : CUDA_RANDN;
  const { draws, long } = readJson<{
    draws: CudaDraw[];
    long: { seed: number; n: number; at: number[]; values: number[] };
  }>(name);
  const pack = {
    float32: Float32Array.from.bind(Float32Array),
    float16: float32ToFloat16,
    bfloat16: float32ToBfloat16,
  };

  const check = (got: ArrayLike<number>, values: number[], dtype: CudaDraw["dtype"], name: string) =>
    expectNormal(got, { dtype, shape: [values.length], data: pack[dtype](values) }, name);

  test.each(draws)("seed $seed, $shape, $dtype", ({ dtype, seed, shape, first, last8, second, mean }) => {
    const generator = new CudaGenerator(seed);
    const one = generator.randn(shape, dtype);
    const n = sizeOf(shape);
    check(one.slice(0, first.length), first, dtype, "first");
    check(one.slice(n - last8.length), last8, dtype, "last8");
    check(generator.randn(shape, dtype).slice(0, second.length), second, dtype, "second");
    const numbers = new CudaGenerator(seed).randn(shape);
    const got = numbers.reduce((sum, x) => sum + x, 0) / n;
    expect(Math.abs(got - mean)).toBeLessThan(dtype === "float32" ? 1e-6 : 1e-3);
  });

  test("places of a draw that goes around the grid more than once", () => {
    const got = new CudaGenerator(long.seed).randn(long.n);
    check(
      Float32Array.from(long.at, (i) => got[i]!),
      long.values,
      "float32",
      "long",
    );
    check(createGenerator("cuda", long.seed).randn([long.n]).slice(0, 2), [...got.slice(0, 2)], "float32", "again");
  });
});
