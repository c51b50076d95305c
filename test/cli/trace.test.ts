/**
 * What `inkling trace` writes, held against the reference's own numbers: others compare such files with other programs'.
 * Which checkpoints, prompts, sizes and seeds there are is read from the fixtures.
 */
import { describe, expect, it, test } from "vitest";
import type { ResolvedSettings } from "../../src/pipelines/index.ts";
import { walkOf as walkOfSettings } from "../../src/pipelines/resolve.ts";
import { createGenerator, type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { openCheckpoint, readSafetensors, readTensor } from "../../src/weights/index.ts";
import { model, quick, run, workingFolder } from "../support/binary.ts";
import { expectClose, expectCloseStd } from "../support/compare.ts";
import { exists, list, need, path, readJson, readTensors } from "../support/fixtures.ts";

interface Run {
  readonly run: string;
  readonly pipeline: string;
  readonly seed: number;
  readonly prompt?: string;
  readonly negative_prompt?: string;
  readonly num_inference_steps: number;
  readonly guidance_scale: number;
  readonly guidance_rescale?: number;
  readonly height: number;
  readonly width: number;
  readonly scheduler?: Readonly<Record<string, unknown>>;
  readonly timesteps?: readonly number[];
  readonly steps_run: number;
}

interface Walked {
  readonly sampler: string;
  readonly schedule?: string;
}

/** How the command line names the run's scheduler; undefined where it cannot say everything that was changed. */
function walkOf({ scheduler }: Run, checkpoint: string): Walked | undefined {
  const own = readJson<Record<string, unknown>>("checkpoints", checkpoint, "scheduler", "scheduler_config.json");
  const { _class_name: sampler, timestep_spacing: spacing, ...options } = { ...own, ...scheduler };
  const karras = options["use_karras_sigmas"] === true;
  const told = ([key, value]: [string, unknown]): boolean =>
    key === "use_karras_sigmas" || (key in own ? JSON.stringify(own[key]) === JSON.stringify(value) : value !== true);
  if (!Object.entries(options).every(told)) return undefined;
  return { sampler: sampler as string, schedule: karras ? "karras" : (spacing as string | undefined) };
}

const checkpoints = list("checkpoints", "reference").filter((name) =>
  exists("checkpoints", "reference", name, "runs.json"),
);
const cases = checkpoints.flatMap((checkpoint) =>
  readJson<Run[]>("checkpoints", "reference", checkpoint, "runs.json")
    .filter(({ pipeline, prompt }) => pipeline === "StableDiffusionPipeline" && prompt !== undefined)
    .flatMap((each) => {
      const walk = walkOf(each, checkpoint);
      return walk ? [{ name: `${checkpoint} ${each.run}`, checkpoint, each, ...walk }] : [];
    }),
);

const work = workingFolder();

interface Trace {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly settings: ResolvedSettings;
}

async function trace(args: readonly string[]): Promise<Trace> {
  const done = await run(["trace", ...args, "--output", "t.safetensors"], work);
  expect(done.code, done.stderr).toBe(0);
  expect(done.stdout).toBe("t.safetensors\n");
  const { tensors, metadata } = await readSafetensors(work.path("t.safetensors"));
  const read = [...tensors].map(async ([name, stored]) => [name, await readTensor(stored)] as const);
  const settings = JSON.parse(metadata.get("settings")!) as ResolvedSettings;
  return { tensors: new Map(await Promise.all(read)), settings };
}

/** How many calls of the network a trace holds. */
const callsOf = (tensors: ReadonlyMap<string, Tensor>): number =>
  [...tensors.keys()].filter((name) => name.startsWith("prediction.")).length;

/**
 * Walks again with the trace's predictions in the network's place: the settings in it lead to its noise, levels and
 * timesteps, and the predictions to the very latents.
 */
async function expectReplay({ tensors, settings }: Trace, checkpoint: string): Promise<void> {
  const walk = walkOfSettings(settings, await openCheckpoint(checkpoint));
  const noise = need(tensors, "noise");
  const generator = createGenerator(settings.rng, settings.seed);
  const draw = (): Float32Array => generator.randn(noise.shape);
  const drawn = draw();
  expect(noise.data, "noise").toEqual(drawn);
  const asked: number[] = [];
  const predict = async (_: Float32Array, timestep: number): Promise<Float32Array> => {
    asked.push(timestep);
    return toFloat32(need(tensors, `prediction.${asked.length - 1}`)).slice();
  };
  const sigmas: number[] = [];
  const initial = drawn.map((n) => n * walk.initNoiseSigma);
  for await (const { call, sigma, latents } of walk.run(predict, initial, draw)) {
    expect(need(tensors, `latents.${call}`).data, `latents.${call}`).toEqual(latents);
    sigmas.push(sigma);
  }
  expect(asked).toHaveLength(callsOf(tensors));
  expect(need(tensors, "timesteps").data, "timesteps").toEqual(Float32Array.from(asked));
  const varies = walk.timesteps.join() !== asked.join();
  expect(need(tensors, "sigmas").data, "sigmas").toEqual(Float32Array.from(varies ? sigmas : walk.sigmas));
}

function argumentsOf({ checkpoint, each, sampler, schedule }: (typeof cases)[number]): string[] {
  // diffusers takes every scale up to 1 as the prompt alone, which is scale 1 here.
  const guidance = Math.max(1, each.guidance_scale);
  return [
    each.prompt!,
    ...["--model", path("checkpoints", checkpoint), "--sampler", sampler, "--seed", `${each.seed}`],
    ...[
      "--size",
      `${each.width}x${each.height}`,
      "--steps",
      `${each.num_inference_steps}`,
      "--guidance",
      `${guidance}`,
    ],
    ...(schedule ? ["--schedule", schedule] : []),
    ...(each.negative_prompt ? ["--negative", each.negative_prompt] : []),
    ...(each.guidance_rescale ? ["--guidance-rescale", `${each.guidance_rescale}`] : []),
  ];
}

describe("holds the reference's numbers", () => {
  test("there are runs to compare with", () => expect(cases.length).toBeGreaterThan(0));

  it.each(cases.map((each) => [each.name, each] as const))("%s", async (_, found) => {
    const { checkpoint, each } = found;
    const traced = await trace(argumentsOf(found));
    const { tensors: got, settings } = traced;
    const want = readTensors("checkpoints", "reference", checkpoint, `${each.run}.safetensors`);
    const stages = readTensors("checkpoints", "reference", checkpoint, "stages.safetensors");
    const guided = each.guidance_scale > 1;

    const calls = Array.from({ length: each.steps_run }, (_, k) => k);
    const names = [
      ...["tokens.cond", "embeddings.cond", ...(guided ? ["tokens.uncond", "embeddings.uncond"] : [])],
      ...["noise", "timesteps", "sigmas", "image"],
      ...calls.flatMap((k) => [`prediction.${k}`, `latents.${k}`]),
    ];
    expect([...got.keys()].sort()).toEqual(names.sort());
    for (const [name, { dtype }] of got) expect(dtype, name).toBe(name.startsWith("tokens.") ? "int64" : "float32");

    expect(need(got, "tokens.cond")).toEqual(need(stages, "ids.cond"));
    if (guided) {
      expect(need(got, "tokens.uncond")).toEqual(need(stages, each.negative_prompt ? "ids.negative" : "ids.uncond"));
    }
    expectCloseStd(need(got, "embeddings.cond"), need(stages, "text.cond.last"), 1e-5, "text.cond");
    if (guided) {
      const text = each.negative_prompt ? "text.negative.last" : "text.uncond.last";
      expectCloseStd(need(got, "embeddings.uncond"), need(stages, text), 1e-5, text);
    }
    const initial = need(want, "initial");
    const { initNoiseSigma } = walkOfSettings(settings, await openCheckpoint(path("checkpoints", checkpoint)));
    const scaled = toFloat32(need(got, "noise")).map((n) => n * initNoiseSigma);
    expectClose(scaled, toFloat32(initial), 1e-6 * Math.max(1, initNoiseSigma), { name: "initial" });
    expect(need(got, "noise").shape).toEqual(initial.shape);
    await expectReplay(traced, path("checkpoints", checkpoint));
    if (each.timesteps) {
      const fractional = each.timesteps.some((t) => !Number.isInteger(t));
      expectClose(need(got, "timesteps"), each.timesteps, fractional ? 1e-4 * Math.max(...each.timesteps) : 0);
    }
    // Long runs of the reference do not keep every step.
    const kept = calls.filter((k) => want.has(`latents.${`${k}`.padStart(2, "0")}`));
    expect(kept).toContain(each.steps_run - 1);
    for (const k of kept) {
      const name = `latents.${`${k}`.padStart(2, "0")}`;
      expectCloseStd(need(got, `latents.${k}`), need(want, name), 1e-4, name);
    }
    const image = need(got, "image");
    expect(image.shape).toEqual([1, 3, each.height, each.width]);
    const image8 = need(want, "image8");
    const bytes = channelsLast(image).map((value) => Math.round(255 * value));
    expectClose(bytes, toFloat32(image8), 1, { name: "image8" });
  });
});

it.each([
  ["Euler a", "karras"],
  ["DPM2 a", "exponential"],
  ["DPM adaptive", undefined],
])("can be walked again: %s", async (sampler, schedule) => {
  const traced = await trace([
    ...quick,
    "--steps",
    "4",
    "--sampler",
    sampler,
    ...(schedule ? ["--schedule", schedule] : []),
  ]);
  await expectReplay(traced, model);
});

it("holds where the network was asked when the sampler decides that on its way", async () => {
  const { tensors } = await trace([...quick, "--sampler", "DPM adaptive"]);
  const calls = callsOf(tensors);
  const [timesteps, sigmas] = ["timesteps", "sigmas"].map((name) => toFloat32(need(tensors, name)));
  expect([timesteps!.length, sigmas!.length]).toEqual([calls, calls]);
  // The network is asked at the ends of steps and between them: over the whole walk the noise shrinks.
  expect(sigmas![0]).toBeGreaterThan(10 * sigmas![calls - 1]!);
});

it("leaves an existing file alone", async () => {
  const [first] = cases;
  const args = argumentsOf(first!);
  await trace(args);
  const again = await run(["trace", ...args, "--output", "t.safetensors"], work);
  expect(again.code).toBe(1);
  expect(again.said).toHaveLength(1);
  expect(again.said[0]).toMatch(/^inkling: t\.safetensors exists already/);
});

/** [1, C, H, W] → [1, H, W, C] */
function channelsLast(t: Tensor): Float32Array {
  const [, channels, height, width] = t.shape as [number, number, number, number];
  const data = toFloat32(t);
  return Float32Array.from(data, (_, i) => data[(i % channels) * height * width + Math.floor(i / channels)]!);
}
