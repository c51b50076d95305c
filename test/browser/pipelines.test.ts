import { afterAll, expect, test } from "vitest";
import { open } from "../../src/pipelines/inkling.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import type { ModelPart } from "../../src/weights/index.ts";
import { expectClose } from "../support/compare.ts";
import { path } from "../support/fixtures.ts";
import { distinctRuns, expectRun, work } from "../support/pipelines.ts";
import { runLimits } from "../webgpu/tolerances.ts";
import { type PageFacts, type PagePart, unpackDrawn } from "./drawing.ts";
import { openPage } from "./open-page.ts";
import { unpack } from "./packed.ts";

const { inPage, offerWeight, said, close } = await openPage();
afterAll(close);

const runs = distinctRuns();

// The page's runtime is strict: that it draws means that no node ran on the CPU.
test.each(runs.map((r) => [`${r.checkpoint} ${r.run.run}`, r] as const))("%s", async (_, { checkpoint, run }) => {
  const facts = await factsOf(checkpoint);
  await expectRun(
    async (settings, picture) =>
      unpackDrawn(await inPage(({ draw }, given) => draw(...given), [facts, settings, picture] as const)),
    checkpoint,
    run,
    runLimits,
  );
});

test("latents stay on the device where nobody looks into steps, and the picture is the same", async () => {
  const { checkpoint, run } = runs.reduce((a, b) => (work(b.run) < work(a.run) ? b : a));
  const facts = await factsOf(checkpoint);
  const { prompt, seed, width, height, guidance_scale: guidance } = run;
  const settings = { prompt: prompt!, seed, width, height, guidance, steps: 2 };
  const seen = unpackDrawn(await inPage(({ draw }, given) => draw(...given), [facts, settings, 0] as const));
  const unseen = await inPage(({ drawUnseen }, given) => drawUnseen(...given), [facts, settings] as const);
  expect(unseen.crossed).toBe(false);
  expectClose(unpack(unseen.pixels), seen.image.pixels, runLimits.image);
});

test("the page had nothing to say", () => expect(said).toEqual([]));

/** Pages see no files: what they say is read here, and their weights become addresses. */
async function factsOf(checkpoint: string): Promise<PageFacts> {
  const nothing: Runtime = {
    device: "webgpu",
    createSession: () => Promise.reject(new Error("Nothing is drawn here.")),
    close: () => Promise.resolve(),
  };
  const choice = { device: "webgpu", works: true, reason: "as asked" } as const;
  const { facts } = await open(path("checkpoints", checkpoint), {
    starting: Promise.resolve({ runtime: nothing, choice }),
  });
  const { unet, textEncoder, vae, ...about } = facts.checkpoint;
  return {
    ...facts,
    checkpoint: { ...about, unet: pagePart(unet), textEncoder: pagePart(textEncoder), vae: pagePart(vae) },
  };
}

function pagePart({ weights, ...network }: ModelPart): PagePart {
  return { ...network, weights: [...weights.names()].map((name) => [name, offerWeight(weights.get(name)!)] as const) };
}
