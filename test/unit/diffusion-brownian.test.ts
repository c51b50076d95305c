/** The SDE samplers' noise against goldens of torchsde and diffusers (test/golden/brownian.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { brownianNoise, createWalk } from "../../src/diffusion/index.ts";
import { CpuGenerator, seedSequence, sizeOf } from "../../src/tensor/index.ts";
import { expectClose, std } from "../support/compare.ts";

interface Golden {
  base: Record<string, unknown>;
  s: number;
  shape: number[];
  words: { entropy: string; key: number[]; words: number[] }[];
  noises: { seed: number; sigmas: number[]; range: [number, number]; noise: number[][] }[];
  walks: { seed: number; steps: number; options: Record<string, unknown>; loose: boolean; latents: number[][] }[];
}
const golden = JSON.parse(readFileSync(new URL("../golden/brownian.json", import.meta.url), "utf8")) as Golden;
const { base, s, shape } = golden;
const randn = (seed: number) => new CpuGenerator(seed).randn(shape);

it("seed sequences are NumPy's", () => {
  for (const { entropy, key, words } of golden.words) expect(seedSequence(BigInt(entropy), key, 24, 4)).toEqual(words);
});

describe("Brownian noise", () => {
  it.each(golden.noises.map((c) => [`seed ${c.seed}`, c] as const))("is torchsde's: %s", (_, c) => {
    const { seed, range, noise } = c;
    const draw = brownianNoise({ sigmas: range, seed, randn });
    const sigmas = c.sigmas.map(Math.fround);
    noise.forEach((want, i) => {
      expectClose(draw([sigmas[i]!, sigmas[i + 1]!]), want, 2e-6, { name: `${sigmas[i]} to ${sigmas[i + 1]}` });
    });
  });

  it("belongs to the levels, whatever was asked before", () => {
    const one = brownianNoise({ sigmas: [0, 0.03, 14.6], seed: 7, randn });
    const other = brownianNoise({ sigmas: [14.6, 0.03], seed: 7, randn });
    for (let i = 0; i < 8; i++) one([14 - i, 13.5 - i]);
    expect(one([9.25, 3.5])).toEqual(other([9.25, 3.5]));
    const whole = other([10, 2]).map((v) => v * Math.sqrt(8));
    const parts = [other([10, 5]).map((v) => v * Math.sqrt(5)), one([5, 2]).map((v) => v * Math.sqrt(3))];
    expectClose(
      whole.map((v, i) => v - parts[0]![i]! - parts[1]![i]!),
      new Float32Array(sizeOf(shape)),
      1e-5,
    );
  });

  it("is standard normal, and its stretches are independent", () => {
    const many = (seed: number) => new CpuGenerator(seed).randn(20_000);
    const draw = brownianNoise({ sigmas: [0.03, 14.6], seed: 3, randn: many });
    const [a, b] = [draw([9, 4]), draw([4, 0.1])];
    for (const noise of [a, b]) expect(std(noise)).toBeCloseTo(1, 1);
    expect(a.reduce((sum, v, i) => sum + v * b[i]!, 0) / a.length).toBeCloseTo(0, 1);
  });
});

it.each(golden.walks.map((c) => [`${c.steps} steps ${JSON.stringify(c.options)}`, c] as const))(
  "DPMSolverSDEScheduler draws diffusers' latents of a seed: %s",
  async (_, { seed, steps, options, loose, latents }) => {
    const walk = createWalk({ sampler: "DPMSolverSDEScheduler", steps, config: { ...base, ...options } });
    const draw = brownianNoise({ sigmas: walk.sigmas, seed, randn });
    const initial = randn(seed).map((v) => v * walk.initNoiseSigma);
    let [call, sigma] = [0, walk.sigmas[0]!];
    let at = initial;
    const predict = async (): Promise<Float32Array> => at.map((v) => (v - (s * s * v) / (s * s + sigma ** 2)) / sigma);
    const asked = callSigmas(walk.sigmas, steps);
    for await (const step of walk.run(predict, initial, (stretch) => draw(stretch!))) {
      expectClose(step.latents, latents[call]!, (loose ? 2e-3 : 2e-5) * Math.max(1, std(latents[call]!)), {
        name: `call ${call}`,
      });
      at = step.latents as Float32Array<ArrayBuffer>;
      sigma = asked[++call]!;
    }
    expect(call).toBe(latents.length);
  },
);

/** Where each call is asked: at a level, then halfway to the next one in log sigma. */
function callSigmas(held: readonly number[], steps: number): number[] {
  const levels = held.filter((_, i) => i % 2 === 0 || i === 0).slice(0, steps);
  return levels.flatMap((sigma, i) => (i < steps - 1 ? [sigma, Math.sqrt(sigma * held[2 * i + 1]!)] : [sigma]));
}

it("says so for k-diffusion's SDE samplers, and for no other", async () => {
  for (const [sampler, expected] of [
    ["DPM++ SDE", true],
    ["DPM++ 2M SDE", true],
    ["DPM++ 2M SDE Heun", true],
    ["DPM++ 3M SDE", true],
    ["Euler a", false],
    ["DPM++ 2S a", false],
    ["SASolverScheduler", false],
  ] as const) {
    const walk = createWalk({ sampler, steps: 4, config: base });
    const stretches: unknown[] = [];
    const network = async (x: Float32Array) => x;
    for await (const _ of walk.run(network, new Float32Array(4), (stretch) => {
      stretches.push(stretch);
      return new Float32Array(4);
    }));
    expect(stretches.length, sampler).toBeGreaterThan(0);
    expect(
      stretches.every((stretch) => Array.isArray(stretch) === expected),
      sampler,
    ).toBe(true);
  }
});
