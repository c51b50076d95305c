/** Latents that stay with the runtime from step to step: the pictures, what is held, and what is drawn as ever. */
import { cpSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWalk } from "../../src/diffusion/index.ts";
import { type Inkling, load } from "../../src/pipelines/index.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { stayingOf } from "../../src/pipelines/unseen-steps.ts";
import { createProcessRuntime } from "../../src/runtime/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../../src/weights/index.ts";
import { plainCheckpoint, UNET } from "../support/checkpoints.ts";
import { expectClose } from "../support/compare.ts";
import { type Watched, watched } from "../support/watched.ts";

const choice = { device: "cpu", works: true, reason: "as asked" } as const;

/** A model whose runtime is watched; it is told to let latents stay where the CPU computes. */
async function loadStaying(folder: string): Promise<Watched & { readonly inkling: Inkling }> {
  const watching = watched(createProcessRuntime({ device: "cpu", threads: 1 }));
  const starting = Promise.resolve({ runtime: watching.runtime, choice });
  return { ...watching, inkling: await load(folder, { starting, latentsStay: true }) };
}

let staying: Awaited<ReturnType<typeof loadStaying>>;
let plain: Inkling;
let folder = "";
beforeAll(async () => {
  staying = await loadStaying(plainCheckpoint.folder);
  plain = await load(plainCheckpoint.folder, { device: "cpu", threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "inkling-unseen-"));
});
afterAll(async () => {
  await Promise.all([staying.inkling.close(), plain.close()]);
  await rm(folder, { recursive: true, force: true });
});

const small = { prompt: "a lady with blue eyes", negativePrompt: "blurry", seed: 7, width: 64, height: 64 };
const drawing = { ...small, steps: 5, guidance: 5, sampler: "Euler" };

/** The pictures, and how often latents came back. */
async function draw(inkling: Inkling, settings: Partial<GenerateSettings>) {
  staying.crossed.clear();
  const pixels: Float32Array[] = [];
  const steps: object[] = [];
  for await (const event of inkling.progress({ ...drawing, ...settings })) {
    if (event.type === "image") pixels.push(event.pixels.data);
    if (event.type === "step") steps.push({ ...event, secondsLeft: 0 });
  }
  return { pixels, steps, read: staying.crossed.get("repeated > y")?.length ?? 0 };
}

/** What a picture may differ from the reference's is what these two may differ. */
const LIMIT = 2e-4;

async function expectSame(settings: Partial<GenerateSettings>, stays = true): Promise<void> {
  const [want, got] = [await draw(plain, settings), await draw(staying.inkling, settings)];
  expect(got.steps).toEqual(want.steps);
  expect(got.pixels).toHaveLength(settings.count ?? 1);
  for (const [i, pixels] of got.pixels.entries()) expectClose(pixels, want.pixels[i]!, LIMIT, { name: `picture ${i}` });
  // Once for each picture, or the predictions of every step.
  expect(staying.crossed.has("latents < weights")).toBe(stays);
  if (stays) expect(got.read).toBe(settings.count ?? 1);
  expect(staying.alive(), "tensors that are left").toBe(0);
}

describe("a picture whose latents stay is the same picture", () => {
  it.each<[string, Partial<GenerateSettings>]>([
    ["guidance in an interval", { guidanceInterval: [0.2, 0.7] }],
    ["guidance that rests", { ngms: 3 }],
    ["guidance 0", { guidance: 0 }],
    ["guidance 1", { guidance: 1 }],
    ["deep features that are reused", { deepCache: 2, deepCacheBranch: 1 }],
    ["deep features of more words than are asked for", { deepCache: 3, guidanceInterval: [0, 0.4] }],
    ["a composition, of one length", { prompt: "a red house AND a blue lake:0.6" }],
    ["a composition, of several lengths", { prompt: `a red house AND ${"a very blue lake, ".repeat(20)}:0.6` }],
    ["a prompt that changes", { prompt: "[a lady:a house:0.4]" }],
    ["two calls a step", { sampler: "Heun", steps: 3 }],
    ["noise at every step", { sampler: "DPM++ 2M SDE", steps: 6 }],
    ["noise twice a step, by Brownian motion", { sampler: "DPM++ SDE", steps: 3 }],
    ["several pictures", { count: 2, sampler: "Euler a" }],
    ["several pictures, noise of one generator", { count: 2, sampler: "Euler a", noise: "batch" }],
    ["another size", { width: 80, height: 48 }],
    ["no signal at the start", { sampler: "DDIM", schedulerConfig: { rescale_betas_zero_snr: true } }],
  ])("%s", (_, settings) => expectSame(settings));

  it("from a picture", async () => {
    const [image] = (await plain.generate(drawing)).images;
    await expectSame({ prompt: "a red house", image, strength: 0.7 });
  });
});

describe("what is no sum is drawn as ever", () => {
  it.each<[string, Partial<GenerateSettings>]>([
    ["rescaled guidance", { guidanceRescale: 0.7 }],
    ["a sampler that decides on its way", { sampler: "DPM adaptive" }],
    ["dynamic thresholding", { sampler: "DPMSolverMultistepScheduler", schedulerConfig: { thresholding: true } }],
    ["a walk from sigma 4096", { schedulerConfig: { rescale_betas_zero_snr: true } }],
  ])("%s", (_, settings) => expectSame(settings, false));

  it("a walk whose vectors take more than 128 MiB", () => {
    const walk = createWalk({ sampler: "DDPM", steps: 999, config: plain.facts.checkpoint.scheduler });
    const { networks } = staying.inkling.parts;
    const settings = staying.inkling.resolve(drawing);
    const beginning = { noise: new Float32Array(), initial: new Float32Array() };
    const at = (side: number) =>
      stayingOf({ walk, settings, shape: [1, 4, side, side], beginning, unet: networks.noisePredictor() });
    expect(at(128)).toBe("The walk is too long for its size.");
    expect(at(64)).toMatchObject({ sums: { vectors: 1998 } });
  });

  it("what a mask holds", async () => {
    const [image] = (await plain.generate(drawing)).images;
    const mask = { ...image!, data: image!.data.map((_, i) => (i % 2 ? 255 : 0)) };
    await expectSame({ image, mask, maskBlur: 0 }, false);
  });
});

it("who looks into steps finds latents, predictions and x0 in them", async () => {
  const told = async (inkling: Inkling) => {
    const found: Float32Array[] = [];
    for await (const event of inkling.stream({ ...drawing, preview: true, inside: true })) {
      if (event.type !== "step") continue;
      found.push(event.latents.data, event.prediction.data, event.x0.data, event.inside!.cond!.data);
      expect(event.preview).toMatchObject({ width: 8, height: 8 });
      expect(Object.keys(event.inside!.attention).length).toBeGreaterThan(0);
    }
    return found;
  };
  expect(await told(staying.inkling)).toEqual(await told(plain));
  expect(staying.alive()).toBe(0);
});

it("an abort ends it within the step, nothing is left, and the next picture is drawn", async () => {
  const controller = new AbortController();
  let calls = 0;
  const run = async () => {
    for await (const event of staying.inkling.progress({ ...drawing, steps: 50, signal: controller.signal })) {
      if (event.type === "step" && ++calls === 2) controller.abort();
    }
  };
  await expect(run()).rejects.toThrow(/abort/i);
  expect(calls).toBe(2);
  await expect.poll(() => staying.alive()).toBe(0);
  await expectSame({});
});

it("a prediction that is not finite ends it in its step, and names the weight", async () => {
  const broken = join(folder, "broken");
  cpSync(plainCheckpoint.folder, broken, { recursive: true, dereference: true });
  const { tensors: stored } = await readSafetensors(join(broken, UNET));
  const tensors = Object.fromEntries(
    await Promise.all([...stored].map(async ([name, tensor]) => [name, await readTensor(tensor)] as const)),
  );
  (tensors["conv_out.bias"]!.data as Float32Array)[0] = Number.NaN;
  rmSync(join(broken, UNET));
  await writeSafetensors(join(broken, UNET), tensors);
  const { inkling, crossed, alive } = await loadStaying(broken);
  try {
    await expect(inkling.generate(drawing)).rejects.toThrow(/U-Net gave .* "conv_out.bias" in .* holds NaN/);
    expect(crossed.get("unet < timestep")).toHaveLength(1);
    expect(alive()).toBe(0);
  } finally {
    await inkling.close();
  }
});
