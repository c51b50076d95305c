/** Every scheduler case of the reference: diffusers' classes and k-diffusion's samplers, step by step. */
import { describe, expect, it } from "vitest";
import { type KOptions, type KSampler, kSamplers } from "../../src/diffusion/a1111.ts";
import {
  addNoise,
  alphasCumprod,
  type BetaSchedule,
  betaSchedules,
  betas,
  createWalk,
  discreteDenoiser,
  exploding,
  levelAt,
  minSnrWeight,
  noiseTable,
  predictionTypes,
  preserving,
  rescaleGuidance,
  snrOf,
  velocity,
  zeroTerminalSnr,
} from "../../src/diffusion/index.ts";
import { exponential } from "../../src/diffusion/schedules/exponential.ts";
import { karras } from "../../src/diffusion/schedules/karras.ts";
import { polyexponential } from "../../src/diffusion/schedules/polyexponential.ts";
import { vp } from "../../src/diffusion/schedules/vp.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { expectClose, std } from "../support/compare.ts";
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
  k_diffusion: KCase[];
}
interface KCase {
  id: string;
  sampler: string;
  /** The name of a tensor; absent where the sampler makes its own steps. */
  sigmas?: string;
  sigma_min?: number;
  sigma_max?: number;
  n?: number;
  options: Record<string, number | string>;
  draws: number;
  info?: { steps: number; nfe: number; n_accept: number; n_reject: number };
}

const { base, s, cases, k_diffusion: kCases } = readJson<Cases>("schedulers", "cases.json");
const shared = readTensors("schedulers", "shared.safetensors");
const mu = floats("mu");
const initial = floats("initial");
const noise = floats("noise");
const batch = need(shared, "initial").shape[0]!;
const table = need(shared, "alphas_cumprod").data as Float64Array;

function floats(name: string): Float32Array {
  return need(shared, name).data as Float32Array;
}

/** Constants of the reference that no file holds: the README and the generator of the fixtures state them. */
const SIGMA_DATA = 0.5;
const POLYEXPONENTIAL_RHO = 1.5;

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

/** `more`: allowed on top of the stated tolerance. */
function expectRow(got: Float32Array, want: Float32Array, name: string, more = 0): void {
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  }
  expect(worst, name).toBeLessThanOrEqual(2e-5 * Math.max(1, std(want)) + more);
}

/** `floor`: the least |want| that an error is taken relative to. */
function expectRelative(
  got: readonly number[],
  want: ArrayLike<number>,
  tolerance: number,
  name: string,
  floor = 0,
): void {
  expect(got.length, `${name}: how many`).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    expect(Math.abs(got[i]! - want[i]!), `${name}[${i}]: got ${got[i]}, want ${want[i]}`).toBeLessThanOrEqual(
      tolerance * Math.max(Math.abs(want[i]!), floor),
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
    } else {
      // KDPM2 a's last midpoint is timestep 0 exactly; the reference's float32 says 1e-6 to 2e-5.
      expectRelative(walk.timesteps, timesteps.data as Float64Array, 1e-4, "timesteps", 1);
    }
    const sigmas = given("sigmas");
    if (sigmas) expectRelative(walk.sigmas, sigmas.data as Float32Array, 1e-5, "sigmas");
    expectRelative([walk.initNoiseSigma], [c.init_noise_sigma], 1e-5, "init_noise_sigma");
    expect(walk.calls).toBe(c.calls);

    const kind = c.options["prediction_type"];
    const cumprod = (given("alphas_cumprod")?.data as Float32Array | undefined) ?? table;
    const model = c.class.startsWith("EDM") ? edmNetwork(kind, SIGMA_DATA) : network(cumprod, kind);
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

describe("k-diffusion", () => {
  const tensors = readTensors("schedulers", "tables", "k-diffusion.safetensors");
  const values = (name: string) => need(tensors, name).data as Float32Array;
  const { sigma_min: sigmaMin, sigma_max: sigmaMax } = kCases.find((c) => c.sigma_min !== undefined) as Required<KCase>;

  const schedules: Record<string, (steps: number) => number[]> = {
    karras: (steps) => karras({ steps, sigmaMin, sigmaMax }),
    exponential: (steps) => exponential({ steps, sigmaMin, sigmaMax }),
    polyexponential: (steps) => polyexponential({ steps, sigmaMin, sigmaMax }, POLYEXPONENTIAL_RHO),
    vp: (steps) => vp({ steps }),
  };
  it.each([...tensors.keys()].filter((name) => name.startsWith("sigmas.")))("%s", (name) => {
    const [, kind, steps] = name.split(".");
    expectRelative([...schedules[kind!]!(Number(steps)), 0], values(name), 1e-5, name);
  });

  const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  it.each(kCases.map((c) => [c.id, c] as const))("%s", (_, c) => {
    const sampler: KSampler = Object.values(kSamplers).find((known) => known.function === c.sampler)!;
    expect(sampler, `${c.sampler} is known`).toBeDefined();
    const sigmas = c.sigmas ? values(c.sigmas) : Float32Array.of(c.sigma_max!, c.sigma_min!);
    const attempts: number[][] = [];
    const options: KOptions = {
      ...Object.fromEntries(Object.entries(c.options).map(([name, value]) => [camel(name), value])),
      calls: c.n,
      onAttempt: ({ lambda, error, h }) => attempts.push([lambda, error, h]),
    };
    const rows = noiseRows();
    const { interpret } = discreteDenoiser({ predictionType: "sample", table: noiseTable(Float32Array.from(table)) });
    const x = initial.map((value) => value * sigmas[0]!);
    const walker = sampler.walk(
      { x, levels: Array.from(sigmas, (v) => exploding(v)), noise: rows.draw, interpret },
      options,
    );

    // The reference reports x where a step first asks.
    const reached: Float32Array[] = [];
    let [calls, asking] = [0, 0];
    let turn = walker.next();
    while (!turn.done) {
      const { x: at, level, step } = turn.value;
      if (step > asking) {
        reached.push(at);
        asking = step;
      }
      const variance = level.sigma ** 2;
      const prediction = at.map((xi, i) => (mu[i]! * variance + s * s * xi) / (variance + s * s));
      calls++;
      turn = walker.next({ ...interpret(prediction, at, level), prediction });
    }
    reached.push(turn.value);

    // An adaptive walk's first errors are rounding, and PyTorch's own log, exp and square root each lose a last digit now
    // and then: where that moved the reference's steps in λ, the picture moved along.
    let moved = 0;
    if (c.info) {
      expect(calls).toBe(c.info.nfe);
      expect(attempts.length).toBe(c.info.steps);
      const wanted = values(`${c.id}.t_error_h`);
      expectClose(attempts.flat(), wanted, 1e-3, { name: "t, error, h" });
      attempts.forEach(([lambda], i) => {
        moved = Math.max(moved, Math.abs(lambda! - wanted[3 * i]!));
      });
    }
    const latents = values(`${c.id}.latents`);
    const want = latents.length / x.length;
    const got = c.sigmas ? reached : reached.slice(-1);
    expect(got.length, "steps").toBe(want);
    got.forEach((row, i) => {
      expectRow(row, latents.subarray(i * x.length, (i + 1) * x.length), `step ${i}`, moved);
    });
    expect(rows.count(), "draws").toBe(c.draws);
  });
});

describe("forward process", () => {
  const tensors = readTensors("schedulers", "forward.safetensors");
  const values = (name: string) => need(tensors, name).data as Float32Array;
  const close = (got: ArrayLike<number>, name: string) => expectClose(got, values(name), 1e-6, { name });
  const process = { steps: base["num_train_timesteps"], start: base["beta_start"], end: base["beta_end"] } as {
    steps: number;
    start: number;
    end: number;
  };
  const schedule = base["beta_schedule"] as BetaSchedule;
  const [x0, eps] = [values("x0"), values("noise")];
  const timesteps = Array.from(need(tensors, "timesteps").data as BigInt64Array, Number);
  const size = x0.length / timesteps.length;

  /** One picture per timestep. */
  function each(of: (x0: Float32Array, noise: Float32Array, t: number) => Float32Array): Float32Array {
    const out = new Float32Array(x0.length);
    timesteps.forEach((t, i) => {
      const [from, to] = [i * size, (i + 1) * size];
      out.set(of(x0.subarray(from, to), eps.subarray(from, to), t), from);
    });
    return out;
  }

  it.each(betaSchedules.filter((name) => tensors.has(`betas.${name}`)))("betas %s", (name) => {
    const beta = betas(name, process);
    close(beta, `betas.${name}`);
    close(alphasCumprod(beta), `alphas_cumprod.${name}`);
  });

  const plain = noiseTable(alphasCumprod(betas(schedule, process)));
  const zero = noiseTable(alphasCumprod(zeroTerminalSnr(betas(schedule, process))));

  it("noises and takes the velocity", () => {
    close(
      each((x, z, t) => addNoise(x, z, levelAt(plain, t))),
      "add_noise",
    );
    close(
      each((x, z, t) => velocity(x, z, levelAt(plain, t))),
      "velocity",
    );
  });

  it("weighs by signal-to-noise ratio", () => {
    const snr = timesteps.map((t) => snrOf(levelAt(plain, t)));
    // Relative: near t = 0 the ratio is 1200, and 1e-6 of 1 would be less than its float32 can say.
    expectRelative(snr, values("snr"), 1e-6, "snr");
    const names = [...tensors.keys()].filter((name) => name.startsWith("min_snr_"));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const [, gamma, type] = /^min_snr_(.+)\.(\w+)$/.exec(name)!;
      const known = predictionTypes.find((prediction) => prediction === type)!;
      close(
        snr.map((value) => minSnrWeight(value, Number(gamma), known)),
        name,
      );
    }
  });

  it("rescales to zero terminal SNR", () => {
    // β is 1 − a ratio of nearly vanishing numbers here: one unit in the last place of √ᾱ, which PyTorch's vectorised
    // square root does not round alike on every processor, is allowed for on top of 1e-6.
    const root = plain.alphasCumprod.map(Math.sqrt);
    const got = zeroTerminalSnr(betas(schedule, process));
    values("zero_snr.betas").forEach((beta, t) => {
      const unit = 2 ** (Math.floor(Math.log2(root[t]!)) - 23);
      const left = Math.max(root[t]! - root.at(-1)!, unit);
      expect(Math.abs(got[t]! - beta), `beta ${t}`).toBeLessThanOrEqual(1e-6 + (2 * unit) / left);
    });
    close(zero.alphasCumprod, "zero_snr.alphas_cumprod");
    close(
      each((x, z, t) => addNoise(x, z, levelAt(zero, t))),
      "zero_snr.add_noise",
    );
    close(
      each((x, z, t) => velocity(x, z, levelAt(zero, t))),
      "zero_snr.velocity",
    );
  });

  it.each([...tensors.keys()].filter((name) => /^rescale\.\d/.test(name)))("guidance %s", (name) => {
    const cfg = need(tensors, "rescale.cfg");
    const got = rescaleGuidance(values("rescale.cfg"), values("rescale.text"), Number(name.slice(8)), cfg.shape[0]);
    expectClose(got, values(name), 1e-6, { name, per: "max" });
  });

  it.each([
    ["euler", "EulerDiscreteScheduler", exploding],
    ["dpmpp", "DPMSolverMultistepScheduler", preserving],
  ] as const)("%s noises to the levels of its walk", (name, sampler, frame) => {
    const steps = need(tensors, `${name}.timesteps`).shape[0]!;
    const want = values(`${name}.add_noise`);
    const walk = createWalk({ sampler, steps, config: base });
    expect([...walk.timesteps]).toEqual(Array.from(need(tensors, `${name}.timesteps`).data, Number));
    for (let i = 0; i < steps; i++) {
      const [x, z] = [x0.subarray(0, size), eps.subarray(0, size)];
      const row = want.subarray(i * size, (i + 1) * size);
      expectClose(addNoise(x, z, frame(walk.sigmas[i]!)), row, 1e-6, { name: `step ${i}`, per: "max" });
      const later = createWalk({ sampler, steps, config: base, begin: i });
      expectClose(later.addNoise(x, z), row, 1e-6, { name: `begin ${i}`, per: "max" });
    }
  });
});
