/**
 * Whole runs of the checkpoints of fixtures/checkpoints: what a runs.json says as settings, and every step and the
 * picture held against what the reference drew. The suites differ in where they draw, and in what they allow.
 */
import { expect } from "vitest";
import type { ImageEvent } from "../../src/pipelines/events.ts";
import type { GenerateSettings } from "../../src/pipelines/index.ts";
import type { OpenModel } from "../../src/pipelines/inkling.ts";
import type { StayingPredictor } from "../../src/pipelines/noise-predictor.ts";
import { textToImageUnseen } from "../../src/pipelines/text-to-image.ts";
import { type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { expectClose, expectCloseStd } from "./compare.ts";
import type { Drawn } from "./drawn.ts";
import { exists, list, need, readJson, readTensors } from "./fixtures.ts";

/** One row of a runs.json. */
export interface Run {
  run: string;
  pipeline: string;
  seed: number;
  prompt?: string;
  prompts?: string[];
  negative_prompt?: string;
  num_inference_steps: number;
  guidance_scale: number;
  guidance_rescale?: number;
  strength?: number;
  height: number;
  width: number;
  scheduler?: Record<string, unknown>;
  timesteps?: number[];
  steps_run: number;
}

/** Checkpoints that the reference has drawn with. */
export const checkpoints: readonly string[] = list("checkpoints", "reference").filter((name) =>
  exists("checkpoints", "reference", name, "runs.json"),
);

/** diffusers draws the prompt alone at every scale up to 1; the formula does so at 1 exactly. */
function ourGuidance({ pipeline, guidance_scale: scale }: Run): number {
  return pipeline === "StableDiffusionPipeline" && scale <= 1 ? 1 : scale;
}

/** What image-to-image and inpainting start from. */
function initOf(run: Run, tensors: ReadonlyMap<string, Tensor>): Pick<GenerateSettings, "init" | "strength"> {
  const picture = tensors.get("picture") as Tensor<"float32"> | undefined;
  if (!picture) return {};
  return { init: { picture, mask: tensors.get("mask") as Tensor<"float32"> | undefined }, strength: run.strength };
}

function settingsOf(run: Run, tensors: ReadonlyMap<string, Tensor>): GenerateSettings[] {
  const { _class_name: sampler, ...schedulerConfig } = run.scheduler ?? {};
  const prompts = run.prompts ?? [run.prompt!];
  return prompts.map((prompt) => ({
    prompt,
    negativePrompt: run.negative_prompt,
    steps: run.num_inference_steps,
    guidance: ourGuidance(run),
    guidanceRescale: run.guidance_rescale,
    height: run.height,
    width: run.width,
    seed: run.seed,
    sampler: sampler as string | undefined,
    schedulerConfig,
    count: prompts.length,
    noise: prompts.length > 1 ? "batch" : "each",
    ...initOf(run, tensors),
  }));
}

/** The i-th picture of a tensor whose first axis is the batch. */
function nth(t: Tensor, i: number): Tensor<"float32"> {
  const size = t.data.length / t.shape[0]!;
  return { dtype: "float32", shape: [1, ...t.shape.slice(1)], data: toFloat32(t).slice(i * size, (i + 1) * size) };
}

/** [1, H, W, C] → [1, C, H, W] */
function channelsFirst(t: Tensor<"float32">): Tensor<"float32"> {
  const [, height, width, channels] = t.shape as [number, number, number, number];
  const data = new Float32Array(t.data.length);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < channels; c++) data[c * height * width + i] = t.data[i * channels + c]!;
  }
  return { dtype: "float32", shape: [1, channels, height, width], data };
}

function resultOf(reference: string, { run }: Run): Map<string, Tensor> {
  return readTensors("checkpoints", "reference", reference, `${run}.safetensors`);
}

/** The latents after each step, by their names. */
function latentsIn(want: ReadonlyMap<string, Tensor>): string[] {
  return [...want.keys()].filter((name) => /^latents\.\d+$/.test(name)).sort();
}

/** Draws with these settings; the events of the picture of that number. */
export type Draw = (settings: GenerateSettings, picture: number) => Promise<Drawn>;

/** How far from the reference a run may be, beside what is exact everywhere. */
export interface RunTolerances {
  /** After each step, in units of their standard deviation. */
  readonly latents: number;
  /** Pixels in 0–1. */
  readonly image: number;
  /** Pixels in 0–255. */
  readonly image8: number;
}

/** The table under checkpoints/ in the fixtures' README. */
export const runTolerances: RunTolerances = { latents: 1e-4, image: 2e-4, image8: 1 };

/** Expects every step and the picture of a run to be the reference's. */
export async function expectRun(
  draw: Draw,
  reference: string,
  run: Run,
  tolerances: RunTolerances = runTolerances,
): Promise<void> {
  const want = resultOf(reference, run);
  const stages = readTensors("checkpoints", "reference", reference, "stages.safetensors");
  const latents = latentsIn(want);
  expect(latents.length).toBe(run.steps_run);
  for (const [i, settings] of settingsOf(run, want).entries()) {
    const drawn = await draw(settings, i);
    if (run.prompt) expect(drawn.tokens.cond, "ids.cond").toEqual(need(stages, "ids.cond"));
    if (run.prompt && drawn.tokens.uncond) {
      const ids = run.negative_prompt ? "ids.negative" : "ids.uncond";
      expect(drawn.tokens.uncond, ids).toEqual(need(stages, ids));
    }
    const { noise, initNoiseSigma, initial } = drawn.start;
    // Without a picture the start is the noise alone, exact up to the last digit; the encoder has the VAE's tolerance.
    const allowed = settings.init ? 1e-4 : 1e-6 * Math.max(1, initNoiseSigma);
    expectClose(initial, nth(need(want, "initial"), i), allowed, { name: "initial" });
    const stored = want.get("noise");
    if (stored) expectClose(noise, nth(stored, i), 1e-6, { name: "noise" });
    expect(drawn.steps.length).toBe(run.steps_run);
    if (run.timesteps) {
      const timesteps = drawn.steps.map((step) => step.timestep);
      const fractional = run.timesteps.some((t) => !Number.isInteger(t));
      expectClose(timesteps, run.timesteps, fractional ? 1e-4 * Math.max(...run.timesteps) : 0, { name: "timesteps" });
    }
    for (const [k, name] of latents.entries()) {
      expectCloseStd(drawn.steps[k]!.latents, nth(need(want, name), i), tolerances.latents, name);
    }
    expectPicture(drawn.image, want, i, tolerances);
  }
}

function expectPicture(drawn: Drawn["image"], want: ReadonlyMap<string, Tensor>, i: number, tolerances: RunTolerances) {
  // Long runs keep the 8-bit picture alone.
  const image = want.get("image");
  if (image) expectClose(drawn.pixels, channelsFirst(nth(image, i)), tolerances.image, { name: "image" });
  const image8 = nth(need(want, "image8"), i);
  expectClose(Float32Array.from(drawn.image.data), image8.data, tolerances.image8, { name: "image8" });
}

/**
 * Expects the last latents and the picture of a run that nobody looks into to be the reference's, and that its latents
 * stay with the runtime unless something is done to them that is no sum.
 */
export async function expectUnseenRun(
  { facts, networks, tokenizer, resolve }: OpenModel,
  reference: string,
  run: Run,
  tolerances: RunTolerances = runTolerances,
): Promise<void> {
  const want = resultOf(reference, run);
  const last = need(want, latentsIn(want).at(-1)!);
  for (const [i, settings] of settingsOf(run, want).entries()) {
    const latents: Tensor[] = [];
    let stayed = 0;
    const watched: typeof networks = {
      ...networks,
      noisePredictor(...about) {
        const { staying, ...unet } = networks.noisePredictor(...about);
        const latents: StayingPredictor["latents"] = (...about) => {
          stayed++;
          return staying!.latents(...about);
        };
        return { ...unet, staying: { ...staying!, latents } };
      },
      decode(decoded, options) {
        latents.push(decoded);
        return networks.decode(decoded, options);
      },
    };
    const tools = { ...facts, networks: watched, tokenizer, ...(settings.init && { init: settings.init }) };
    let steps = 0;
    let image: ImageEvent | undefined;
    for await (const event of textToImageUnseen(resolve(settings), tools)) {
      if (!("picture" in event) || event.picture !== i) continue;
      if (event.type === "step") steps++;
      if (event.type === "image") image = event;
    }
    expect(steps).toBe(run.steps_run);
    expect(stayed).toBe(settings.init?.mask || settings.guidanceRescale ? 0 : settings.count);
    expectCloseStd(latents[i]!, nth(last, i), tolerances.latents, "last latents");
    expectPicture(image!, want, i, tolerances);
  }
}

export const runsOf = (name: string) => readJson<Run[]>("checkpoints", "reference", name, "runs.json");

export interface RunOf {
  readonly checkpoint: string;
  readonly run: Run;
}

/**
 * One run from a text for each kind of checkpoint: what its U-Net predicts, whether it takes the guidance as an input,
 * whether it was distilled to do without (trailing timesteps), how it projects into its transformers, whether it has a
 * middle. Of each kind the least work, if possible with its picture unrounded: a slow device need not repeat what the
 * CPU's suite says of samplers and sizes.
 */
export function distinctRuns(): RunOf[] {
  const least = new Map<string, RunOf>();
  for (const checkpoint of checkpoints) {
    const config = (...parts: string[]) => readJson<Record<string, unknown>>("checkpoints", checkpoint, ...parts);
    const scheduler = config("scheduler", "scheduler_config.json");
    const unet = config("unet", "config.json");
    const kind = JSON.stringify([
      scheduler["prediction_type"] ?? "epsilon",
      typeof unet["time_cond_proj_dim"],
      scheduler["timestep_spacing"] === "trailing",
      unet["use_linear_projection"] ?? false,
      unet["mid_block_type"] === null,
    ]);
    for (const run of runsOf(checkpoint)) {
      if (!run.prompt || isFromPicture(run)) continue;
      const known = least.get(kind);
      if (!known || cost(checkpoint, run) < cost(known.checkpoint, known.run)) least.set(kind, { checkpoint, run });
    }
  }
  return [...least.values()];
}

/** Runs that keep their picture in 8 bits only come after all others. */
const cost = (checkpoint: string, run: Run): number => work(run) + (resultOf(checkpoint, run).has("image") ? 0 : 1e12);

const isFromPicture = ({ pipeline }: Run): boolean => /Img2Img|Inpaint/.test(pipeline);

/** What a run costs, in no unit. */
export const work = ({ steps_run, height, width }: Run): number => steps_run * height * width;
