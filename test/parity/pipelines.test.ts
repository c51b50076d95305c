import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StartEvent, TokensEvent } from "../../src/pipelines/index.ts";
import {
  type GenerateSettings,
  type ImageEvent,
  type Inkling,
  load,
  type StepEvent,
} from "../../src/pipelines/index.ts";
import { type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { expectClose, expectCloseStd } from "../support/compare.ts";
import { exists, list, need, path, readJson, readTensors } from "../support/fixtures.ts";

/** One row of a runs.json. */
interface Run {
  run: string;
  pipeline: string;
  seed: number;
  prompt?: string;
  prompts?: string[];
  negative_prompt?: string;
  num_inference_steps: number;
  guidance_scale: number;
  guidance_rescale?: number;
  height: number;
  width: number;
  scheduler?: Record<string, unknown>;
  timesteps?: number[];
  steps_run: number;
}

/** Pipelines that start from a text alone; those that start from a picture have a suite of their own. */
const fromText = ["StableDiffusionPipeline", "LatentConsistencyModelPipeline", "formula"];
const checkpoints = list("checkpoints", "reference").filter((name) =>
  exists("checkpoints", "reference", name, "runs.json"),
);

/** diffusers draws the prompt alone at every scale up to 1; the formula does so at 1 exactly. */
function ourGuidance({ pipeline, guidance_scale: scale }: Run): number {
  return pipeline === "StableDiffusionPipeline" && scale <= 1 ? 1 : scale;
}

function settingsOf(run: Run): GenerateSettings[] {
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
  }));
}

interface Drawn {
  start: StartEvent;
  tokens: TokensEvent;
  steps: StepEvent[];
  image: ImageEvent;
}

async function draw(inkling: Inkling, settings: GenerateSettings, picture: number): Promise<Drawn> {
  const drawn: Partial<Drawn> & { steps: StepEvent[] } = { steps: [] };
  for await (const event of inkling.stream(settings)) {
    if (event.type === "tokens") drawn.tokens = event;
    if (!("picture" in event) || event.picture !== picture) continue;
    if (event.type === "start") drawn.start = event;
    else if (event.type === "step") drawn.steps.push(event);
    else if (event.type === "image") drawn.image = event;
  }
  return drawn as Drawn;
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

async function compare(inkling: Inkling, reference: string, run: Run): Promise<void> {
  const want = readTensors("checkpoints", "reference", reference, `${run.run}.safetensors`);
  const stages = readTensors("checkpoints", "reference", reference, "stages.safetensors");
  const latents = [...want.keys()].filter((name) => /^latents\.\d+$/.test(name)).sort();
  expect(latents.length).toBe(run.steps_run);
  for (const [i, settings] of settingsOf(run).entries()) {
    const drawn = await draw(inkling, settings, i);
    if (run.prompt) expect(drawn.tokens.cond, "ids.cond").toEqual(need(stages, "ids.cond"));
    if (run.prompt && drawn.tokens.uncond) {
      const ids = run.negative_prompt ? "ids.negative" : "ids.uncond";
      expect(drawn.tokens.uncond, ids).toEqual(need(stages, ids));
    }
    const { noise, initNoiseSigma } = drawn.start;
    const initial = noise.data.map((n) => n * initNoiseSigma);
    expectClose(initial, nth(need(want, "initial"), i).data, 1e-6 * Math.max(1, initNoiseSigma), { name: "initial" });
    expect(drawn.steps.length).toBe(run.steps_run);
    if (run.timesteps) {
      const timesteps = drawn.steps.map((step) => step.timestep);
      const fractional = run.timesteps.some((t) => !Number.isInteger(t));
      expectClose(timesteps, run.timesteps, fractional ? 1e-4 * Math.max(...run.timesteps) : 0, { name: "timesteps" });
    }
    for (const [k, name] of latents.entries()) {
      expectCloseStd(drawn.steps[k]!.latents, nth(need(want, name), i), 1e-4, name);
    }
    // Long runs keep the 8-bit picture alone.
    const image = want.get("image");
    if (image) expectClose(drawn.image.pixels, channelsFirst(nth(image, i)), 2e-4, { name: "image" });
    const image8 = nth(need(want, "image8"), i);
    expectClose(Float32Array.from(drawn.image.image.data), image8.data, 1, { name: "image8" });
  }
}

const runsOf = (name: string) => readJson<Run[]>("checkpoints", "reference", name, "runs.json");
const withRuns = checkpoints.filter((name) => runsOf(name).some((run) => fromText.includes(run.pipeline)));

describe.each(withRuns)("%s", (name) => {
  const runs = runsOf(name).filter((run) => fromText.includes(run.pipeline));
  let inkling: Inkling;
  beforeAll(async () => {
    inkling = await load(path("checkpoints", name), { device: "cpu" });
  });
  afterAll(() => inkling.close());

  test.each(runs.map((run) => [run.run, run] as const))("%s: every step and the picture", (_, run) =>
    compare(inkling, name, run),
  );
});

test("there are runs from text", () => expect(withRuns.length).toBeGreaterThan(0));
