/** What the pipelines of diffusers 0.42 correct in a checkpoint's scheduler config, and where they leave it alone. */
import { expect, it } from "vitest";
import { walkOf } from "../../src/pipelines/resolve.ts";
import type { ResolvedSettings } from "../../src/pipelines/settings.ts";
import type { Checkpoint } from "../../src/weights/index.ts";

const config = {
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  steps_offset: 0,
  clip_sample: true,
  skip_prk_steps: false,
};
const unets = {
  StableDiffusionPipeline: { in_channels: 4, time_cond_proj_dim: null },
  StableDiffusionInpaintPipeline: { in_channels: 9 },
  LatentConsistencyModelPipeline: { in_channels: 4, time_cond_proj_dim: 256 },
};

function walk(pipeline: keyof typeof unets, sampler: string, steps = 5) {
  const checkpoint = { scheduler: { ...config, _class_name: sampler }, unet: { config: unets[pipeline] } };
  return walkOf({ sampler: "", schedule: "", steps } as ResolvedSettings, checkpoint as unknown as Checkpoint);
}

/** Whether the first x0 was cut to −1…1. */
async function clips(pipeline: keyof typeof unets, sampler: string): Promise<boolean> {
  const size = 4;
  const steps = walk(pipeline, sampler).run(
    async () => new Float32Array(size),
    new Float32Array(size).fill(8),
    () => new Float32Array(size),
  );
  const { value } = await steps.next();
  return value!.x0.every((x0) => Math.abs(x0) <= 1);
}

it("corrects steps_offset, but not for a consistency model", () => {
  const last = (pipeline: keyof typeof unets, sampler = "DDIMScheduler") => walk(pipeline, sampler).timesteps.at(-1);
  expect(last("StableDiffusionPipeline")).toBe(1);
  expect(last("StableDiffusionInpaintPipeline")).toBe(1);
  expect(last("LatentConsistencyModelPipeline")).toBe(0);
});

it("leaves classes without steps_offset alone", () => {
  const sampler = "DPMSolverSinglestepScheduler";
  const [one, other] = [walk("StableDiffusionPipeline", sampler), walk("LatentConsistencyModelPipeline", sampler)];
  expect(one.timesteps).toEqual(other.timesteps);
});

it("corrects clip_sample in StableDiffusionPipeline alone", async () => {
  for (const sampler of ["DDIMScheduler", "LCMScheduler"]) {
    expect(await clips("StableDiffusionPipeline", sampler), sampler).toBe(false);
    expect(await clips("StableDiffusionInpaintPipeline", sampler), sampler).toBe(true);
    expect(await clips("LatentConsistencyModelPipeline", sampler), sampler).toBe(true);
  }
});

it("corrects skip_prk_steps in StableDiffusionInpaintPipeline alone", () => {
  const plms = (steps: number) => steps + 1;
  expect(walk("StableDiffusionInpaintPipeline", "PNDMScheduler", 10).calls).toBe(plms(10));
  expect(walk("StableDiffusionPipeline", "PNDMScheduler", 10).calls).toBeGreaterThan(plms(10));
});
