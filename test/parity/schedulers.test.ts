/** Every scheduler case of the reference: diffusers' classes and k-diffusion's samplers, step by step. */
import { describe, expect, it } from "vitest";
import { createWalk } from "../../src/diffusion/index.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { std } from "../support/compare.ts";
import { need, readJson, readTensors } from "../support/fixtures.ts";

interface Case {
  id: string;
  file: string;
  class: string;
  options: Record<string, unknown>;
  steps: number;
  init_noise_sigma: number;
  draws: number;
  calls: number;
}
interface Cases {
  base: Record<string, unknown>;
  s: number;
  cases: Case[];
}

const { base, s, cases } = readJson<Cases>("schedulers", "cases.json");
const shared = readTensors("schedulers", "shared.safetensors");
const mu = floats("mu");
const initial = floats("initial");
const noise = floats("noise");
const batch = need(shared, "initial").shape[0]!;
const table = need(shared, "alphas_cumprod").data as Float64Array;

function floats(name: string): Float32Array {
  return need(shared, name).data as Float32Array;
}

/** Rows of `shared.noise`, one per draw. */
function noiseRows(): { draw: () => Float32Array; count: () => number } {
  let k = 0;
  const size = initial.length;
  return { draw: () => noise.slice(k * size, ++k * size), count: () => k };
}

/** ᾱ at a timestep, log sigma interpolated. */
function alphaBar(cumprod: ArrayLike<number>, t: number): number {
  if (Number.isInteger(t)) return cumprod[t]!;
  const at = Math.min(Math.max(t, 0), cumprod.length - 1);
  const low = Math.min(Math.floor(at), cumprod.length - 2);
  const [l0, l1] = [low, low + 1].map((i) => Math.log((1 - cumprod[i]!) / cumprod[i]!) / 2) as [number, number];
  return 1 / (1 + Math.exp(2 * (l0 + (at - low) * (l1 - l0))));
}

/** The reference's network: the exact posterior mean of normal data. */
function network(cumprod: ArrayLike<number>, kind: unknown) {
  return async (x: Float32Array, t: number): Promise<Float32Array> => {
    const a = alphaBar(cumprod, t);
    const [root, rest] = [Math.sqrt(a), Math.sqrt(1 - a)];
    return x.map((xi, i) => {
      const x0 = (mu[i]! * (1 - a) + s * s * root * xi) / (1 - a + s * s * a);
      const eps = (xi - root * x0) / rest;
      return kind === "epsilon" ? eps : kind === "sample" ? x0 : root * eps - rest * x0;
    });
  };
}

/** The same for the EDM classes, whose timestep is log(sigma)/4. */
function edmNetwork(kind: unknown, sigmaData: number) {
  return async (x: Float32Array, t: number): Promise<Float32Array> => {
    const sigma = Math.exp(4 * t);
    const scale = Math.hypot(sigma, sigmaData);
    const [skip, out] = [(sigmaData / scale) ** 2, ((kind === "epsilon" ? 1 : -1) * sigma * sigmaData) / scale];
    return x.map((scaled, i) => {
      const xi = Math.fround(scaled * scale);
      const x0 = (mu[i]! * sigma ** 2 + s * s * xi) / (sigma ** 2 + s * s);
      return (x0 - skip * xi) / out;
    });
  };
}

function expectRow(got: Float32Array, want: Float32Array, name: string): void {
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  expect(worst, name).toBeLessThanOrEqual(2e-5 * Math.max(1, std(want)));
}

function expectRelative(got: readonly number[], want: ArrayLike<number>, tolerance: number, name: string): void {
  expect(got.length, `${name}: how many`).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i]! - want[i]!), `${name}[${i}]: got ${got[i]}, want ${want[i]}`).toBeLessThanOrEqual(
      tolerance * Math.abs(want[i]!),
    );
  }
}

describe.each([...new Set(cases.map((c) => c.file))])("%s", (file) => {
  const tensors = readTensors("schedulers", file);
  it.each(
    cases.filter((c) => c.file === file).map((c) => [`${c.id} ${JSON.stringify(c.options)} ${c.steps}`, c] as const),
  )("%s", async (_, c) => {
    const walk = createWalk({ sampler: c.class, steps: c.steps, config: { ...base, ...c.options }, batch });
    const given = (name: string): Tensor | undefined => tensors.get(`${c.id}.${name}`);
    const timesteps = need(tensors, `${c.id}.timesteps`);
    if (timesteps.dtype === "int64") {
      expect([...walk.timesteps]).toEqual(Array.from(timesteps.data as BigInt64Array, Number));
    } else expectRelative(walk.timesteps, timesteps.data as Float64Array, 1e-4, "timesteps");
    const sigmas = given("sigmas");
    if (sigmas) expectRelative(walk.sigmas, sigmas.data as Float32Array, 1e-5, "sigmas");
    expectRelative([walk.initNoiseSigma], [c.init_noise_sigma], 1e-5, "init_noise_sigma");
    expect(walk.calls).toBe(c.calls);

    const kind = c.options["prediction_type"];
    const cumprod = (given("alphas_cumprod")?.data as Float32Array | undefined) ?? table;
    const model = c.class.startsWith("EDM") ? edmNetwork(kind, 0.5) : network(cumprod, kind);
    const rows = noiseRows();
    const latents = need(tensors, `${c.id}.latents`).data as Float32Array;
    const start = initial.map((value) => value * walk.initNoiseSigma);
    let calls = 0;
    for await (const step of walk.run(model, start, rows.draw)) {
      const row = latents.subarray(calls * start.length, (calls + 1) * start.length);
      expectRow(step.latents, row, `latents after call ${calls}`);
      calls++;
    }
    expect(calls).toBe(c.calls);
    expect(rows.count(), "draws").toBe(c.draws);
  });
});
