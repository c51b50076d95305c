import { describe, expect, test } from "vitest";
import { CpuGenerator, CudaGenerator, createGenerator, generatorKinds } from "../../src/tensor/index.ts";
import { Mt19937 } from "../../src/tensor/random/mt19937.ts";
import { philox4x32 } from "../../src/tensor/random/philox.ts";

test("MT19937 gives the outputs its authors published", () => {
  const engine = new Mt19937(5489);
  const outputs = Array.from({ length: 10_000 }, () => engine.next());
  expect(outputs.slice(0, 3)).toEqual([3499211612, 581869302, 3890346734]);
  expect(outputs[9_999]).toBe(4123659995);
});

test("Philox 4×32-10 gives its authors' known answers", () => {
  const out = new Uint32Array(4);
  philox4x32([0, 0, 0, 0], [0, 0], out);
  expect([...out]).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  philox4x32([ones, ones, ones, ones], [ones, ones], out);
  expect([...out]).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], out);
  expect([...out]).toEqual([0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
});

test("the CPU generator goes on from a state that it was asked for, in the midst of a pair of normals too", () => {
  const source = new CpuGenerator(3);
  source.randn(21);
  source.randn(1);
  const state = JSON.parse(JSON.stringify({ ...source.state, words: [...source.state.words] }));
  const other = new CpuGenerator(4);
  other.state = { ...state, words: Uint32Array.from(state.words) };
  expect(state.spare).toBeTypeOf("number");
  for (const draw of [
    (g: CpuGenerator) => g.randn(1),
    (g: CpuGenerator) => g.randn(700),
    (g: CpuGenerator) => g.rand(3),
  ]) {
    expect(draw(other)).toEqual(draw(source));
  }
  expect(() => {
    other.state = { ...state, words: new Uint32Array(3) };
  }).toThrow(/624 words/);
});

describe.each(generatorKinds)("the %s generator", (kind) => {
  test("repeats itself for a seed and moves on between draws", () => {
    const source = createGenerator(kind, 7);
    const first = source.randn([2, 3, 5]);
    expect(first).toHaveLength(30);
    expect(createGenerator(kind, 7n).randn(30)).toEqual(first);
    expect(source.randn(30)).not.toEqual(first);
    expect(createGenerator(kind, 8).randn(30)).not.toEqual(first);
  });

  test("draws nothing for an empty shape, one number for a scalar", () => {
    const source = createGenerator(kind, 7);
    expect(source.randn([0, 4])).toHaveLength(0);
    expect(source.randn([])).toEqual(createGenerator(kind, 7).randn(1));
  });

  test("looks normal", () => {
    const numbers = createGenerator(kind, 3).randn(100_000);
    const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.02);
  });

  test("refuses seeds and shapes that mean nothing", () => {
    expect(() => createGenerator(kind, 0.5)).toThrow(/seed 0\.5 is not a safe integer/);
    expect(() => createGenerator(kind, 2 ** 60)).toThrow(/as a bigint/);
    expect(() => createGenerator(kind, 2n ** 64n)).toThrow(/out of range/);
    expect(() => createGenerator(kind, 0).randn([2, -1])).toThrow(/whole dimensions/);
    expect(() => createGenerator(kind, 0).randn(Number.NaN)).toThrow(/whole dimensions/);
  });
});

test("a negative seed wraps around as in torch", () => {
  expect(new CpuGenerator(-1).random()).toBe(new CpuGenerator(2n ** 64n - 1n).random());
  expect(new CudaGenerator(-1).randn(4)).toEqual(new CudaGenerator(2n ** 64n - 1n).randn(4));
});

test("randint keeps to its range and refuses an empty one", () => {
  const generator = new CpuGenerator(1);
  for (const [low, high] of [
    [-3, 4],
    [0, 2 ** 40],
  ] as const) {
    for (const x of generator.randint(low, high, 100)) expect(x >= low && x < high).toBe(true);
  }
  expect(() => generator.randint(4, 4, 1)).toThrow(/low < high/);
});

test("one index of a vocabulary is the first of two, whatever the logarithms that were spared", () => {
  const size = 2000;
  for (let seed = 0; seed < 40; seed++) {
    const logits = new CpuGenerator(1000 + seed).randn([size]);
    // From even odds to nearly certain ones, some of them 0.
    const p = logits.map((x) => (x < -1 ? 0 : Math.exp((x * seed) / 4)));
    const [one, two] = [new CpuGenerator(seed), new CpuGenerator(seed)];
    expect(one.multinomial(p)).toEqual(two.multinomial(p, 2).slice(0, 1));
    expect(one.random()).toBe(two.random());
  }
});
