/** What every sampler owes, whatever it computes: looped over the whole registry. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  createWalk,
  findSampler,
  findSchedule,
  type SamplerInfo,
  samplers,
  schedules,
  type Walk,
} from "../../src/diffusion/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import { expectClose } from "../support/compare.ts";

const config = {
  _class_name: "PNDMScheduler",
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  steps_offset: 1,
  set_alpha_to_one: false,
  clip_sample: false,
  skip_prk_steps: true,
};
/** The EDM classes have their own process; LCM's boundary condition keeps a hair of x. */
const isEdm = (info: SamplerInfo) => info.name.startsWith("EDM");

/** Latents that only the seed decides; not normal, which no sampler can tell. */
function noise(seed: number, size = 16): Float32Array {
  let state = seed * 2654435761 + 1;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state / 2 ** 31) * Math.sqrt(3);
  });
}

const clean = noise(99);

interface Outcome {
  final: Float32Array;
  /** The latents after every call. */
  path: Float32Array[];
  calls: number;
  draws: number;
}

/** k-diffusion draws for churn that is off by default, and adds none of it: so do these, to stay in step with it. */
const drawInVain = ["Euler", "Heun", "DPM2"];

/** Walks with a denoiser that knows the answer: it predicts the noise that lies between x and `clean`. */
async function walkHome(walk: Walk, edm: boolean, seed = 1, noiseSeed = 1000 * seed): Promise<Outcome> {
  let [calls, draws] = [0, 0];
  const path: Float32Array[] = [];
  let latents: Float32Array = noise(seed).map((value) => value * walk.initNoiseSigma);
  const network = async (x: Float32Array, t: number): Promise<Float32Array> => {
    calls++;
    expect(x.every(Number.isFinite), "finite input").toBe(true);
    if (!edm) return clean;
    const sigma = Math.exp(4 * t);
    const scale = Math.hypot(sigma, 0.5);
    return x.map((value, i) => (clean[i]! - (0.25 / scale ** 2) * value * scale) / ((sigma * 0.5) / scale));
  };
  for await (const step of walk.run(network, latents, () => noise(noiseSeed + draws++))) {
    expect(step.call).toBe(calls - 1);
    if (!edm) expect([...step.x0]).toEqual([...clean]);
    latents = step.latents;
    path.push(latents.slice());
  }
  return { final: latents, path, calls, draws };
}

function options(info: SamplerInfo, schedule: string, steps: number) {
  return {
    sampler: info.name,
    schedule,
    steps,
    config,
    predictionType: isEdm(info) ? ("epsilon" as const) : ("sample" as const),
  };
}

describe.each(samplers.map((info) => [info.name, info] as const))("%s", (_, info) => {
  it.each(info.schedules)("walks %s to what a perfect denoiser says", async (schedule) => {
    for (const steps of [1, 2, 5, 20]) {
      const walk = createWalk(options(info, schedule, steps));
      const { final, calls } = await walkHome(walk, isEdm(info));
      expect(final.every(Number.isFinite), "finite").toBe(true);
      if (info.callsPerStep !== "varies") {
        expect(calls).toBe(walk.calls);
        expect(walk.timesteps).toHaveLength(calls);
        const expected =
          walk.sampler === "PLMS" || walk.sampler === "PNDMScheduler"
            ? steps + Number(steps > 1)
            : info.callsPerStep * (steps - 1) + 1;
        expect(calls).toBe(expected);
      }
      expect(walk.sigmas.length).toBeGreaterThan(1);
      // One step alone may start and end at the least trained level: in some classes of diffusers it does.
      if (steps === 1) continue;
      // diffusers' DDIM and PNDM land a fixed stride below each timestep; on Linspace the next call is elsewhere.
      if (schedule === "Linspace" && /DDIM|PNDM|PLMS/.test(info.name)) continue;
      // Some end at the least trained sigma rather than at none, DDPM's large variance and ancestral noise included.
      const left = Math.min(walk.sigmas.at(-1)! || 0, 0.1);
      expectClose(final, clean, 0.003 + 4 * Math.max(left, info.name.includes("DPM ") ? 0.03 : 0), {
        name: `${steps} steps`,
      });
    }
  });

  it("is deterministic, and draws only if it says so", async () => {
    const [schedule] = info.schedules as [string];
    const outcomes = [];
    for (const seed of [1, 1, 2])
      outcomes.push(await walkHome(createWalk(options(info, schedule, 6)), isEdm(info), seed));
    expect(outcomes[1]).toEqual(outcomes[0]);
    for (const steps of [2, 6, 20]) {
      const walk = () => createWalk(options(info, schedule, steps));
      const [one, other] = [await walkHome(walk(), isEdm(info), 1, 1000), await walkHome(walk(), isEdm(info), 1, 5000)];
      if (info.stochastic) {
        expect(one.draws, `draws in ${steps} steps`).toBeGreaterThan(0);
        // Two calls of DPM fast are one step, and the last step's noise weighs nothing.
        if (steps > 2) expect(one.path, "other noise, another way").not.toEqual(other.path);
      } else {
        if (!drawInVain.includes(info.name)) expect(one.draws, `draws in ${steps} steps`).toBe(0);
        expect(one.path, "other noise, the same way").toEqual(other.path);
      }
    }
  });

  it.each(info.schedules)("says of %s what can be asked for again, with the same noise levels", (schedule) => {
    const walk = createWalk(options(info, schedule, 5));
    const again = createWalk({ ...options(info, walk.schedule, 5), sampler: walk.sampler });
    expect(again.sigmas).toEqual(walk.sigmas);
    expect(again.timesteps).toEqual(walk.timesteps);
  });

  it("starts later where asked, with the noise of that level", () => {
    const whole = createWalk(options(info, "Automatic", 6));
    if (info.callsPerStep === "varies" || info.name === "DPM fast") return;
    const later = createWalk({ ...options(info, "Automatic", 6), begin: 2 });
    expect(later.calls).toBeLessThan(whole.calls);
    expect(later.timesteps.at(-1)).toBeCloseTo(whole.timesteps.at(-1)!, 6);
    const x = later.addNoise(new Float32Array(1), Float32Array.of(1));
    expect(x[0]).toBeGreaterThan(0);
  });

  it("refuses what it cannot do", () => {
    const base = options(info, "Automatic", 5);
    for (const steps of [0, -1, 1.5, Number.NaN, 1e9]) {
      expect(() => createWalk({ ...base, steps }), `${steps} steps`).toThrow(InputError);
    }
    expect(() => createWalk({ ...base, begin: 5000 })).toThrow(InputError);
    expect(() => createWalk({ ...base, begin: -1 })).toThrow(InputError);
    expect(() => createWalk({ ...base, schedule: "Karass" })).toThrow(/There is no schedule "Karass".*Karras/);
    for (const eta of [-0.1, 1.1, Number.NaN]) expect(() => createWalk({ ...base, eta })).toThrow(InputError);
    if (!info.takesEta) expect(() => createWalk({ ...base, eta: 0.5 })).toThrow(/takes no eta/);
    const unknown = schedules.find((schedule) => !info.schedules.includes(schedule.name));
    if (unknown) expect(() => createWalk({ ...base, schedule: unknown.name })).toThrow(/It takes:/);
    if (!isEdm(info)) {
      expect(() => createWalk({ ...base, config: { ...config, beta_schedule: "square" } })).toThrow(
        /beta_schedule is "square"/,
      );
      expect(() => createWalk({ ...base, config: { ...config, beta_start: "0.1" } })).toThrow(/beta_start/);
      expect(() => createWalk({ ...base, config: { ...config, trained_betas: [0.1, 0.2] } })).toThrow(/trained_betas/);
    }
  });

  it("notices a network of the wrong size", async () => {
    const walk = createWalk(options(info, "Automatic", 3));
    const steps = walk.run(
      async () => new Float32Array(3),
      noise(1),
      () => noise(2),
    );
    await expect(steps.next()).rejects.toThrow(/3 numbers for 16 latents/);
  });
});

describe("names", () => {
  it.each([
    ["Euler a", "Euler a"],
    ["euler_a", "Euler a"],
    ["k_euler_ancestral", "Euler a"],
    ["DPM++ 2M", "DPM++ 2M"],
    ["dpmpp-2m", "DPM++ 2M"],
    ["sample_dpmpp_2s_ancestral", "DPM++ 2S a"],
    ["EulerDiscreteScheduler", "EulerDiscreteScheduler"],
    ["eulerdiscrete", "EulerDiscreteScheduler"],
    ["pndm", "PNDMScheduler"],
    ["PLMS", "PLMS"],
  ])("%s means %s", (name, meant) => {
    expect(findSampler(name).name).toBe(meant);
  });

  it("understands the combined names of old infotexts", () => {
    const walk = createWalk({ sampler: "DPM++ 2M SDE Heun Karras", steps: 5, config });
    expect([walk.sampler, walk.schedule]).toEqual(["DPM++ 2M SDE Heun", "Karras"]);
    expect(createWalk({ sampler: "DPM++ 2M", steps: 5, config }).schedule).toBe("Karras");
    expect(createWalk({ sampler: "DPM++ 2M", schedule: "Automatic", steps: 5, config }).schedule).toBe("Karras");
    expect(createWalk({ sampler: "Euler a", schedule: "ays", steps: 5, config }).schedule).toBe("Align Your Steps");
  });

  it("are each spelled once", () => {
    const key = (name: string) =>
      name
        .toLowerCase()
        .replaceAll("++", "pp")
        .replace(/[\s_-]/g, "");
    for (const all of [samplers, schedules]) {
      const names = all.flatMap((info) => [info.name, ...info.aliases].map(key));
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it("list what is known when one is not", () => {
    expect(() => findSampler("Eular")).toThrow(/There is no sampler "Eular".*Euler a.*EulerDiscreteScheduler/);
    expect(() => findSchedule("")).toThrow(InputError);
    expect(() => createWalk({ steps: 5, config: {} })).toThrow(/names no _class_name/);
  });
});

describe("a checkpoint's config", () => {
  it("chooses the sampler", () => {
    const walk = createWalk({ steps: 5, config });
    expect([walk.sampler, walk.schedule, walk.calls]).toEqual(["PNDMScheduler", "Leading", 6]);
  });

  it("keeps what it names and leaves the rest to the new class", () => {
    expect(createWalk({ sampler: "EulerDiscreteScheduler", steps: 5, config }).schedule).toBe("Linspace");
    const named = { ...config, timestep_spacing: "trailing" };
    expect(createWalk({ sampler: "EulerDiscreteScheduler", steps: 5, config: named }).schedule).toBe("Trailing");
    const asked = createWalk({ sampler: "EulerDiscreteScheduler", schedule: "leading", steps: 5, config: named });
    expect(asked.schedule).toBe("Leading");
  });

  it("may hold keys that no sampler knows", () => {
    const odd = {
      ...config,
      _diffusers_version: "0.6.0",
      skip_prk_steps: true,
      something: [1, 2],
      trained_betas: null,
    };
    expect(createWalk({ sampler: "UniPC", steps: 5, config: odd }).calls).toBe(5);
  });

  it("is overridden by the caller's prediction type", async () => {
    const wrong = { ...config, prediction_type: "epsilon" };
    const walk = createWalk({ sampler: "DDIM", steps: 3, config: wrong, predictionType: "sample" });
    const { final } = await walkHome(walk, false);
    expectClose(final, clean, 0.1, { name: "latents" });
  });
});

it("lets latents be edited between the calls", async () => {
  const walk = createWalk({ sampler: "Euler", steps: 4, config, predictionType: "sample" });
  const seen: number[] = [];
  const network = async (x: Float32Array) => {
    seen.push(x[0]!);
    return new Float32Array(x.length);
  };
  for await (const step of walk.run(network, noise(1), () => noise(2))) step.latents.fill(step.call + 1);
  expect(seen[1]! * Math.hypot(walk.sigmas[1]!, 1)).toBeCloseTo(1, 5);
  expect(seen[3]! * Math.hypot(walk.sigmas[3]!, 1)).toBeCloseTo(3, 5);
});

it("is documented: every sampler and every schedule", () => {
  const text = readFileSync(new URL("../../docs/samplers.md", import.meta.url), "utf8");
  for (const { name } of [...samplers, ...schedules]) expect(text).toContain(name);
});
