import { expect, test } from "vitest";
import { type GenerateEvent, load } from "../../src/pipelines/index.ts";
import { list, path, readJson } from "../support/fixtures.ts";

/** The first tiny checkpoint that draws from a text with a plain U-Net. */
const checkpoint = list("checkpoints", "reference")
  .filter((name) => /sd15$|sd21/.test(name))
  .map((name) => path("checkpoints", name))[0]!;
const small = { prompt: "a lady with blue eyes", width: 64, height: 64, steps: 3, seed: 7 };

async function withInkling<T>(use: (inkling: Awaited<ReturnType<typeof load>>) => Promise<T>): Promise<T> {
  const inkling = await load(checkpoint, { device: "cpu", threads: 1 });
  try {
    return await use(inkling);
  } finally {
    await inkling.close();
  }
}

test("the stream tells a picture from its beginning to its end", () =>
  withInkling(async (inkling) => {
    const types: string[] = [];
    for await (const event of inkling.stream({ ...small, preview: true })) {
      if (types.at(-1) !== event.type) types.push(event.type);
      if (event.type === "step") expect(event.preview).toMatchObject({ width: 8, height: 8 });
    }
    expect(types).toEqual(["model", "tokens", "embeddings", "start", "step", "decode", "image"]);
  }));

test("a picture is the same alone or among others, and one after another", () =>
  withInkling(async (inkling) => {
    const { images } = await inkling.generate({ ...small, count: 3 });
    expect(images.map((image) => image.settings.seed)).toEqual([7, 8, 9]);
    const [again, alone] = await Promise.all([
      inkling.generate({ ...small, seed: 8 }),
      inkling.generate({ ...small, seed: 9 }),
    ]);
    expect(again.images[0]!.data).toEqual(images[1]!.data);
    expect(alone.images[0]!.data).toEqual(images[2]!.data);
    expect(images[0]!.data).not.toEqual(images[1]!.data);
  }));

test("an abort ends the stream within the step, and the next picture is drawn", () =>
  withInkling(async (inkling) => {
    const controller = new AbortController();
    const seen: GenerateEvent[] = [];
    const run = async () => {
      for await (const event of inkling.stream({ ...small, steps: 50, signal: controller.signal })) {
        seen.push(event);
        if (event.type === "step" && event.call === 2) controller.abort();
      }
    };
    await expect(run()).rejects.toThrow(/abort/i);
    expect(seen.filter((event) => event.type === "step").length).toBe(3);
    expect((await inkling.generate(small)).images.length).toBe(1);
  }));

test("an abort during a load ends the inference process, and the next picture is drawn", () =>
  withInkling(async (inkling) => {
    await inkling.generate(small);
    // Another size loads another U-Net into the process that also holds the text encoder.
    const controller = new AbortController();
    const run = inkling.generate({ ...small, width: 128, signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expect(run).rejects.toThrow(/abort/i);
    expect((await inkling.generate(small)).images.length).toBe(1);
  }));

test("a consumer that walks away leaves the way free for the next", () =>
  withInkling(async (inkling) => {
    for await (const event of inkling.stream(small)) if (event.type === "step") break;
    expect((await inkling.generate(small)).images.length).toBe(1);
  }));

test("guidance 1 asks for the prompt alone; 0 does not look at the prompt", () =>
  withInkling(async (inkling) => {
    const tokens = async (guidance: number) => {
      for await (const event of inkling.stream({ ...small, guidance })) if (event.type === "tokens") return event;
      throw new Error("no tokens");
    };
    expect((await tokens(1)).uncond).toBeUndefined();
    expect((await tokens(0)).uncond).toBeDefined();
    const draw = async (prompt: string) => (await inkling.generate({ ...small, prompt, guidance: 0 })).images[0]!.data;
    expect(await draw("a red house")).toEqual(await draw("three tulips"));
  }));

test("settings that cannot be are refused before anything runs, by name and with what may be", () =>
  withInkling(async ({ resolve }) => {
    expect(() => resolve({ prompt: "", width: 100 })).toThrow(/width is 100 pixels; .* multiple of 8, for example 104/);
    expect(() => resolve({ prompt: "", steps: 0 })).toThrow(/steps is 0; .* 1 to 1000/);
    expect(() => resolve({ prompt: "", steps: 1e9 })).toThrow(/steps is 1000000000/);
    expect(() => resolve({ prompt: "", guidance: Number.NaN })).toThrow(/guidance is NaN/);
    expect(() => resolve({ prompt: "", guidanceInterval: [0.5, 0.2] })).toThrow(/guidance interval is 0.5 to 0.2/);
    expect(() => resolve({ prompt: "", ngms: -1 })).toThrow(/ngms is -1; it has to be a number from 0 to 1000/);
    expect(() => resolve({ prompt: "", clipSkip: 99 })).toThrow(/clip skip is 99/);
    expect(() => resolve({ prompt: "", sampler: "Oiler" })).toThrow(/Oiler/);
    expect(() => resolve({ prompt: "", seed: 1.5 })).toThrow(/seed is 1.5/);
  }));

test("the settings that a checkpoint's scheduler names are what it draws with", () =>
  withInkling(async ({ resolve }) => {
    const config = readJson<{ _class_name: string }>(
      "checkpoints",
      list("checkpoints", "reference").find((name) => /sd15$|sd21/.test(name))!,
      "scheduler",
      "scheduler_config.json",
    );
    expect(resolve({ prompt: "" }).sampler).toBe(config._class_name);
  }));

test("runs may overlap, at different sizes too; each gives what it gives alone", () =>
  withInkling(async (inkling) => {
    const wide = { ...small, width: 128 };
    const alone = [await inkling.generate(small), await inkling.generate(wide)];
    const together = await Promise.all([inkling.generate(small), inkling.generate(wide)]);
    for (const [i, { images }] of together.entries()) expect(images[0]!.data).toEqual(alone[i]!.images[0]!.data);
  }));

test("a stream that was left standing does not hold up the next, and an abort while waiting is heard", () =>
  withInkling(async (inkling) => {
    const left = inkling.stream(small);
    await left.next();
    expect((await inkling.generate(small)).images.length).toBe(1);
    await expect(inkling.generate({ ...small, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  }));

test("a closed model says so", async () => {
  const inkling = await load(checkpoint, { device: "cpu", threads: 1 });
  await inkling.close();
  await expect(inkling.generate(small)).rejects.toThrow(/closed/);
});

test("tiles give nearly the picture of the whole", () =>
  withInkling(async (inkling) => {
    const large = { ...small, width: 768, height: 576, steps: 1 };
    const [whole] = (await inkling.generate(large)).images;
    const [tiled] = (await inkling.generate({ ...large, tiling: true })).images;
    expect(tiled!.data.length).toBe(whole!.data.length);
    let difference = 0;
    for (let i = 0; i < whole!.data.length; i++) difference += Math.abs(whole!.data[i]! - tiled!.data[i]!);
    difference /= whole!.data.length;
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(12);
  }));
