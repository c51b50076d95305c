import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addDrawingOptions, type DrawingOptions } from "../../src/cli/options.ts";
import { type GenerateSettings, type Inkling, load } from "../../src/pipelines/index.ts";
import { blankLoraTags, loraTags } from "../../src/text/index.ts";
import { countingRuntime } from "../support/counting-runtime.ts";
import { path } from "../support/fixtures.ts";

let inkling: Inkling;
let folder = "";
const { starting, sessions } = countingRuntime();
const file = path("adapters", "tiny-sd15", "lora-kohya.safetensors");
const wish: GenerateSettings = { prompt: "a lady with blue eyes", seed: 1, steps: 2, width: 64, height: 64 };

beforeAll(async () => {
  inkling = await load(path("checkpoints", "tiny-sd15"), { starting });
  folder = await mkdtemp(join(tmpdir(), "inkling-loras-"));
  await copyFile(file, join(folder, "ink.safetensors"));
});
afterAll(async () => {
  await inkling.close();
  await rm(folder, { recursive: true });
});

async function draw(more: Partial<GenerateSettings>) {
  const { images } = await inkling.generate({ ...wish, ...more });
  return images[0]!;
}

describe("adapters", () => {
  test("a scale of 0 leaves the model as it is, another changes the picture, and a change of scale loads nothing", async () => {
    const without = await draw({});
    const off = await draw({ adapters: [{ file, scale: 0 }] });
    // The same numbers, but for the rounding of sums that the runtime forms in another order.
    expect(off.data.every((value, i) => Math.abs(value - without.data[i]!) <= 1)).toBe(true);
    const loaded = sessions();
    const on = await draw({ adapters: [{ file, scale: 0.7 }] });
    const half = await draw({ adapters: [{ file, scale: 0.35 }] });
    expect(sessions()).toBe(loaded);
    expect(on.data).not.toEqual(without.data);
    expect(half.data).not.toEqual(on.data);
    expect(on.infotext).toContain('Adapters: "lora-kohya:0.7"');
    expect((await draw({})).data).toEqual(without.data);
  });

  test("a prompt names them as A1111's do, and the tag is no word of it", async () => {
    const given = await draw({ adapters: [{ file, scale: 0.7 }] });
    const named = await draw({ prompt: "a lady <lora:ink:0.7>with blue eyes", adapterFolder: folder });
    expect(named.data).toEqual(given.data);
    expect(named.infotext).toMatch(/^a lady <lora:ink:0.7>with blue eyes/);
    // The name of a file that the settings bring: the prompt says how strongly.
    const weighed = await draw({ prompt: "a lady with blue eyes <lora:lora-kohya:0.7>", adapters: [{ file }] });
    expect(weighed.data).toEqual(given.data);
  });

  test("text encoder and U-Net may have a scale each", async () => {
    const [both, textOnly] = [
      await draw({ adapters: [{ file }] }),
      await draw({ prompt: `${wish.prompt} <lora:ink:1:0>`, adapterFolder: folder }),
    ];
    expect(textOnly.data).not.toEqual(both.data);
    expect(textOnly.data).not.toEqual((await draw({})).data);
  });

  test("plain prompts name none", async () => {
    const prompt = "a lady <lora:nowhere:1>";
    await expect(draw({ prompt, promptSyntax: "plain" })).resolves.toBeDefined();
    await expect(draw({ prompt })).rejects.toThrow(
      /asks for the adapter "nowhere".*loras holds no nowhere\.safetensors/,
    );
  });

  test.each(["../ink", "a/b", ".."])("a prompt cannot leave the folder: %s", async (name) => {
    await expect(draw({ prompt: `<lora:${name}:1>`, adapterFolder: folder })).rejects.toThrow(/asks for the adapter/);
  });

  test("one for another model, and what is none, are refused", async () => {
    const other = path("adapters", "tiny-sd21-v", "lora-peft.safetensors");
    await expect(draw({ adapters: [{ file: other }] })).rejects.toThrow(/does not fit the model|fits no layer/);
    const model = path("checkpoints", "tiny-sd15", "unet", "diffusion_pytorch_model.safetensors");
    await expect(draw({ adapters: [{ file: model }] })).rejects.toThrow(/belongs to no adapter that is known/);
    await expect(draw({ adapters: [{ file: "nowhere.safetensors" }] })).rejects.toThrow(/nowhere\.safetensors/);
    await expect(draw({ adapters: [{ file, scale: 1000 }] })).rejects.toThrow(/scale of an adapter is 1000/);
  });
});

describe("tags", () => {
  test("name, scales and place", () => {
    expect(loraTags("a <lora:ink:0.8> b <lora:other> <lyco:third:1:0.5>")).toEqual([
      { name: "ink", text: 0.8, unet: 0.8, at: 2 },
      { name: "other", text: 1, unet: 1, at: 19 },
      { name: "third", text: 1, unet: 0.5, at: 32 },
    ]);
    expect(blankLoraTags("a <lora:ink:0.8> b")).toBe(`a ${" ".repeat(14)} b`);
  });

  test("a scale that is no number is pointed at", () => {
    expect(() => loraTags("a <lora:ink:strong>")).toThrow(/character 3, "<lora:ink:strong>"/);
  });
});

describe("the command line", () => {
  test("collects files with their scales", () => {
    const { lora } = addDrawingOptions(new Command())
      .parse(["--lora", "a.safetensors:0.5", "--lora", "C:b.safetensors", "--lora", "c:-1"], { from: "user" })
      .opts<DrawingOptions>();
    expect(lora).toEqual([
      { file: "a.safetensors", scale: 0.5 },
      { file: "C:b.safetensors" },
      { file: "c", scale: -1 },
    ]);
  });
});
