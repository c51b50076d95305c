/** The embedded model against diffusers, which drew with the same dequantised weights (test/golden/embedded.py). */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ImageEvent,
  type Inkling,
  load,
  type StartEvent,
  type StepEvent,
  type TokensEvent,
} from "../../src/pipelines/index.ts";
import { expectClose, expectCloseStd } from "../support/compare.ts";
import { need, readTensors } from "../support/fixtures.ts";

const golden = readTensors(fileURLToPath(new URL("../golden/embedded.safetensors", import.meta.url)));
const steps = [...golden.keys()].filter((name) => name.startsWith("latents.")).sort();

let inkling: Inkling;
beforeAll(async () => {
  inkling = await load(undefined, { device: "cpu" });
});
afterAll(async () => inkling?.close());

test("draws what diffusers draws: ids, noise, the latents of every step, the picture", async () => {
  const [height, width] = need(golden, "image").shape.slice(1) as [number, number];
  let tokens: TokensEvent | undefined;
  let start: StartEvent | undefined;
  let image: ImageEvent | undefined;
  const walked: StepEvent[] = [];
  const settings = {
    prompt: "a lady with blue eyes",
    seed: 10,
    steps: steps.length,
    guidance: 4,
    sampler: "DDIMScheduler",
    width,
    height,
  };
  for await (const event of inkling.stream(settings)) {
    if (event.type === "tokens") tokens = event;
    else if (event.type === "start") start = event;
    else if (event.type === "step") walked.push(event);
    else if (event.type === "image") image = event;
  }
  expect(tokens!.cond).toEqual(need(golden, "ids.cond"));
  expect(tokens!.uncond).toEqual(need(golden, "ids.uncond"));
  expectClose(start!.initial, need(golden, "initial"), 1e-6, { name: "initial" });
  expect(walked.map((step) => step.timestep)).toEqual([751, 501, 251, 1]);
  for (const [i, name] of steps.entries()) expectCloseStd(walked[i]!.latents, need(golden, name), 1e-4, name);
  expectClose(rowsFirst(image!.pixels.data, 3), need(golden, "image").data as Float32Array, 2e-4, { name: "image" });
  expectClose(image!.image.data, need(golden, "image8").data as Uint8Array, 1, { name: "image8" });
});

/**
 * Looser than a walk on whole timesteps: from the third step on its fractional ones are asked a hair elsewhere than torch's
 * float32 puts them, which grows. Other noise would be a whole standard deviation away.
 */
test("draws what diffusers draws of a seed with Brownian noise", async () => {
  const [height, width] = need(golden, "sde.image8").shape.slice(1) as [number, number];
  const settings = { prompt: "a lady with blue eyes", seed: 10, guidance: 4, width, height };
  let pictures = 0;
  const last: { latents?: StepEvent["latents"] } = {};
  for await (const event of inkling.stream({ ...settings, steps: 5, sampler: "DPMSolverSDEScheduler" })) {
    if (event.type === "step") last.latents = event.latents;
    if (event.type === "image") {
      pictures++;
      expectCloseStd(last.latents!, need(golden, "sde.latents"), 5e-3, "latents");
      expectClose(event.image.data, need(golden, "sde.image8").data as Uint8Array, 2, { name: "image8" });
    }
  }
  expect(pictures).toBe(1);
});

/** [C, H, W] → [H, W, C] */
function rowsFirst(data: Float32Array, channels: number): Float32Array {
  const places = data.length / channels;
  return data.map((_, i) => data[(i % channels) * places + Math.floor(i / channels)]!);
}
