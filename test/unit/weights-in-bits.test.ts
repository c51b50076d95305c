/** Whole pictures with weights in fewer bits: how near they are, what else they go together with, what is said of them. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GenerateSettings, load } from "../../src/pipelines/index.ts";
import { readExtra } from "../../src/pipelines/infotext-extra.ts";
import type { LoadOptions } from "../../src/pipelines/inkling.ts";
import type { WeightForm } from "../../src/pipelines/limits.ts";
import { openPlanner } from "../../src/pipelines/plan.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { runCli } from "../support/cli.ts";
import { path } from "../support/fixtures.ts";

const choice = { device: "cpu", works: true, reason: "as asked" } as const;

interface Drawn extends LoadOptions {
  readonly model?: string;
  readonly prepared?: { readonly folder: string };
}

/** One picture, by a runtime of this process. */
async function drawn(settings: GenerateSettings, { model, prepared, ...options }: Drawn = {}) {
  const runtime = createNodeRuntime({ device: "cpu", threads: 2, ...(prepared && { prepared }) });
  const inkling = await load(model, { ...options, starting: Promise.resolve({ runtime, choice }) });
  try {
    return (await inkling.generate(settings)).images[0]!;
  } finally {
    await inkling.close();
  }
}

/** Peak signal-to-noise ratio in dB. */
function psnr(a: Uint8Array, b: Uint8Array): number {
  expect(a.length).toBe(b.length);
  const squares = a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.length) / squares);
}

describe("the embedded model", () => {
  const wish: GenerateSettings = {
    prompt: "a lady with blue eyes",
    seed: 10,
    steps: 3,
    guidance: 4,
    sampler: "DDIMScheduler",
    width: 256,
    height: 256,
  };
  let exact: Uint8Array;
  let folder = "";
  beforeAll(async () => {
    exact = (await drawn(wish)).data;
    folder = await mkdtemp(join(tmpdir(), "inkling-bits-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ["8bit", 30],
    ["4bit", 18],
  ] as const)(
    "draws nearly the same in %s, says so, and the same again of what it kept prepared",
    async (weights, least) => {
      const notes: string[] = [];
      const prepared = { folder: join(folder, weights) };
      const picture = await drawn(wish, { weights, prepared, onNote: (line) => notes.push(line) });
      const found = psnr(picture.data, exact);
      expect(found).toBeGreaterThan(least);
      expect(found).toBeLessThan(60);
      expect(picture.infotext).toContain(`Weights: ${weights}`);
      expect(picture.settings.weights).toBe(weights);
      expect(notes.join()).toContain(`in ${weights[0]} bits`);
      const kept = await readdir(prepared.folder);
      expect(kept.length).toBeGreaterThan(0);
      expect((await drawn(wish, { weights, prepared })).data).toEqual(picture.data);
      expect(await readdir(prepared.folder)).toEqual(kept);
    },
  );

  test("what stays exact may be computed in another form", async () => {
    const other = await drawn(wish, { weights: "8bit", convolutions: { form: "winograd-4" } });
    expect(psnr(other.data, exact)).toBeGreaterThan(25);
  });
});

describe("beside an adapter", () => {
  const wish: GenerateSettings = { prompt: "a lady with blue eyes", seed: 1, steps: 2, width: 64, height: 64 };
  const model = path("checkpoints", "tiny-sd15");
  const file = path("adapters", "tiny-sd15", "lora-kohya.safetensors");
  const adapters = (scale: number) => ({ ...wish, adapters: [{ file, scale }] });

  test("its numbers stay as they are: scale 0 changes nothing, another what it changes exactly", async () => {
    const options = { model, weights: "8bit" as const };
    const [plain, off, on] = [
      await drawn(wish, options),
      await drawn(adapters(0), options),
      await drawn(adapters(0.7), options),
    ];
    expect(psnr(off.data, plain.data)).toBeGreaterThan(45);
    expect(psnr(on.data, plain.data)).toBeLessThan(40);
    expect(psnr(on.data, (await drawn(adapters(0.7), { model })).data)).toBeGreaterThan(30);
  });
});

test("a form that is none is refused before anything is opened", async () => {
  await expect(load("nowhere", { weights: "2bit" as WeightForm })).rejects.toThrow('not in "2bit"');
  const { code, stderr } = await runCli(["a cat", "--weights", "int8"]);
  expect(code).toBe(2);
  expect(stderr).toContain("Allowed choices are float32, 8bit, 4bit");
});

test("a picture's field is taken over, where it names a form", () => {
  const read = (form: string) => readExtra(new Map([["Weights", form]])).weights;
  expect([read("8bit"), read("4bit"), read("2bit")]).toEqual(["8bit", "4bit", undefined]);
  expect(readExtra(new Map()).weights).toBeUndefined();
});

test("a plan tells of it", async () => {
  const planner = await openPlanner(undefined, { weights: "4bit" });
  const { settings, notes } = planner.plan({ prompt: "a cat" });
  expect(settings.weights).toBe("4bit");
  expect(notes.join()).toContain("4 bits");
  const exact = (await openPlanner(undefined, {})).plan({ prompt: "a cat" });
  expect("weights" in exact.settings).toBe(false);
});
