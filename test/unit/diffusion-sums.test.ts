/** A walk as sums of vectors, against the same walk on latents: every sampler on every schedule. */
import { describe, expect, it } from "vitest";
import {
  combine,
  createWalk,
  type DrawNoise,
  type SamplerInfo,
  samplers,
  vectorOfCall,
  type Walk,
} from "../../src/diffusion/index.ts";
import { createGenerator } from "../../src/tensor/index.ts";
import { expectCloseStd } from "../support/compare.ts";

const SIZE = 256;

/** What a network predicts in a call: sums of these and noise are what is compared. */
const predictionOf = (call: number): Float32Array => createGenerator("cpu", 100 + call).randn([SIZE]);

const config = (prediction: string, more: object = {}) => ({
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  prediction_type: prediction,
  clip_sample: false,
  ...more,
});

/** A source of noise that tells what it was asked for. */
function telling(seed: number) {
  const generator = createGenerator("cpu", seed);
  const asked: unknown[] = [];
  const draw: DrawNoise = (stretch) => {
    asked.push(stretch);
    return generator.randn([SIZE]);
  };
  return { draw, asked };
}

async function onLatents(walk: Walk, seed: number) {
  const { draw, asked } = telling(seed);
  const initial = draw().map((n) => n * walk.initNoiseSigma);
  const shown: Float32Array[] = [];
  const places: number[][] = [];
  let last: Float32Array = initial;
  const network = async (x: Float32Array, t: number, sigma: number) => {
    shown.push(x);
    places.push([t, sigma]);
    return predictionOf(shown.length - 1);
  };
  for await (const { latents } of walk.run(network, initial, draw)) last = latents;
  return { shown, places, last, asked };
}

function onSums(walk: Walk, seed: number) {
  const { draw, asked } = telling(seed);
  const sums = walk.sums()!;
  const vectors: Float32Array[] = Array.from({ length: sums.vectors }, () => new Float32Array(SIZE));
  vectors[0] = draw().map((n) => n * walk.initNoiseSigma);
  const sumUp = ({ weights, draws }: typeof sums.last): Float32Array => {
    for (const { stretch, vector } of draws) {
      const noise = draw(stretch);
      if (vector !== undefined) vectors[vector] = noise;
    }
    return combine(...vectors.map((vector, i) => [weights[i]!, vector] as const));
  };
  const shown: Float32Array[] = [];
  const places: number[][] = [];
  for (const [call, sum] of sums.shown.entries()) {
    const x = sumUp(sum);
    shown.push(x);
    places.push([sum.timestep, sum.sigma]);
    vectors[vectorOfCall(call)] = predictionOf(call);
  }
  return { shown, places, last: sumUp(sums.last), asked };
}

/**
 * Half of what a run may differ from the reference's. The worst, 4.9e-5, are single steps from sigma 80 and 146: there all
 * but a hundredth of the noise cancels, in float32 here and there.
 */
const LIMIT = 5e-5;

async function expectSame(walk: Walk, name: string): Promise<void> {
  const [want, got] = [await onLatents(walk, 5), onSums(walk, 5)];
  expect(got.places, name).toEqual(want.places);
  expect(got.asked, name).toEqual(want.asked);
  for (const [call, x] of want.shown.entries()) expectCloseStd(got.shown[call]!, x, LIMIT, `${name}, call ${call}`);
  expectCloseStd(got.last, want.last, LIMIT, `${name}, last`);
}

const linear = samplers.filter(({ name }) => name !== "DPM adaptive");

const typesOf = ({ name }: SamplerInfo) =>
  name.startsWith("EDM") ? ["epsilon", "v_prediction"] : ["epsilon", "v_prediction", "sample"];

const LENGTHS = [
  { steps: 4, begin: 0 },
  { steps: 12, begin: 5 },
] as const;

/** In one step a picture comes out of all noise: the longest way for a rounding. PNDM's Runge–Kutta steps are four. */
const lengthsOf = (name: string) => (name === "PNDMScheduler" ? LENGTHS : [{ steps: 1, begin: 0 }, ...LENGTHS]);

describe.each(linear.map((info) => [info.name, info] as const))("%s", (sampler, info) => {
  it.each(info.schedules)("on %s", async (schedule) => {
    for (const type of typesOf(info)) {
      for (const length of lengthsOf(sampler)) {
        const walk = createWalk({ sampler, schedule, ...length, config: config(type) });
        await expectSame(walk, `${type}, ${sampler} ${schedule} ${length.steps} steps from ${length.begin}`);
      }
    }
  });

  it("from no signal at all", async () => {
    const zero = config("v_prediction", { rescale_betas_zero_snr: true, timestep_spacing: "trailing" });
    for (const length of lengthsOf(sampler)) {
      const walk = createWalk({ sampler, ...length, config: zero });
      // From sigma 4096 what is left of the noise is each number's own rounding.
      if (walk.initNoiseSigma > 200) expect(walk.sums()).toBeUndefined();
      else await expectSame(walk, `${sampler}, ${length.steps} steps from ${length.begin}`);
    }
  });
});

it("noise that weighs nothing is drawn and takes no room", () => {
  const walk = createWalk({ sampler: "Euler", steps: 6, config: config("epsilon") });
  const { vectors, shown, last } = walk.sums()!;
  expect(vectors).toBe(7);
  expect([...shown, last].flatMap(({ draws }) => draws)).toEqual(Array(6).fill({}));
  const noisy = createWalk({ sampler: "Euler a", steps: 6, config: config("epsilon") }).sums()!;
  expect(noisy.vectors).toBe(7 + 5);
  expect([...noisy.shown, noisy.last].flatMap(({ draws }) => draws)).toEqual(
    Array.from({ length: 5 }, (_, i) => ({ vector: 7 + i })),
  );
});

it.each([
  ["DPM adaptive", {}],
  ["DDIM", { clip_sample: true }],
  ["DDIMScheduler", { thresholding: true }],
])("%s, %o, is no sum", (sampler, more) => {
  expect(createWalk({ sampler, steps: 4, config: config("epsilon", more) }).sums()).toBeUndefined();
});
