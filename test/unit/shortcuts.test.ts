/** Evaluations of the U-Net that settings leave out, on a tiny checkpoint: how many, and what the pictures then are. */
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelFacts } from "../../src/pipelines/facts.ts";
import { open } from "../../src/pipelines/inkling.ts";
import { openPlanner } from "../../src/pipelines/plan.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { textToImage } from "../../src/pipelines/text-to-image.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { path } from "../support/fixtures.ts";

let model: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  model = await open(plainCheckpoint.folder, { device: "cpu", threads: 1 });
});
afterAll(() => model.runtime.close());

/** The pixels, and how many evaluations each call of the network held. */
async function draw(settings: Partial<GenerateSettings> = {}): Promise<{ pixels: Float32Array; batches: number[] }> {
  const resolved = model.resolve({
    ...{ prompt: "a lady with blue eyes", negativePrompt: "blurry", seed: 7, width: 64, height: 64 },
    ...{ steps: 10, guidance: 5, sampler: "Euler", ...settings },
  });
  const batches: number[] = [];
  const networks: typeof model.networks = {
    ...model.networks,
    noisePredictor() {
      const unet = model.networks.noisePredictor();
      return {
        ...unet,
        predict(feeds, ...rest) {
          batches.push(feeds.words.length);
          return unet.predict(feeds, ...rest);
        },
      };
    },
  };
  let pixels = new Float32Array();
  for await (const event of textToImage(resolved, { ...model.facts, networks, tokenizer: model.tokenizer })) {
    if (event.type === "image") pixels = event.pixels.data.slice();
  }
  return { pixels, batches };
}

const times = (count: number, value: number): number[] => Array<number>(count).fill(value);

describe("the guidance interval", () => {
  it("0 to 1 is every step, bit for bit what is drawn without", async () => {
    const [exact, whole] = [await draw(), await draw({ guidanceInterval: [0, 1] })];
    expect(exact.batches).toEqual(times(10, 2));
    expect(whole).toEqual(exact);
  });

  it("leaves out the evaluations that lie outside, and the picture differs", async () => {
    const exact = await draw();
    const late = await draw({ guidanceInterval: [0, 0.7] });
    expect(late.batches).toEqual([...times(7, 2), ...times(3, 1)]);
    expect(late.pixels).not.toEqual(exact.pixels);
    const both = await draw({ guidanceInterval: [0.2, 0.5] });
    expect(both.batches).toEqual([1, 1, 2, 2, 2, 1, 1, 1, 1, 1]);
  });

  it("that holds no step is guidance 1", async () => {
    const alone = await draw({ guidance: 1 });
    expect(alone.batches).toEqual(times(10, 1));
    expect(await draw({ guidanceInterval: [0.4, 0.4] })).toEqual(alone);
    expect(await draw({ guidanceInterval: [0.41, 0.49] })).toEqual(alone);
  });

  it("counts steps, not calls", async () => {
    const heun = await draw({ sampler: "Heun", steps: 4, guidanceInterval: [0, 0.5] });
    expect(heun.batches).toEqual([2, 2, 2, 2, 1, 1, 1]);
  });
});

describe("NGMS", () => {
  it("0 is never, and a noise level above all of them every second call", async () => {
    const exact = await draw();
    expect(await draw({ ngms: 0 })).toEqual(exact);
    expect((await draw({ ngms: 1000 })).batches).toEqual([2, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
  });

  it("begins below its noise level", async () => {
    const { batches } = await draw({ ngms: 1 });
    const first = batches.indexOf(1);
    expect(first).toBeGreaterThan(1);
    expect(batches.slice(first - 1)).toEqual(batches.slice(first - 1).map((_, i) => (i % 2 ? 1 : 2)));
  });

  it("has no say where the prompt goes alone", async () => {
    expect(await draw({ ngms: 1000, guidance: 1 })).toEqual(await draw({ guidance: 1 }));
  });
});

describe("a plan", () => {
  const plan = async (settings: Partial<GenerateSettings>) => {
    const planner = await openPlanner(plainCheckpoint.folder, { env: {} });
    return planner.plan({ prompt: "x", ...settings });
  };

  it("takes no shortcut unless one is asked for", async () => {
    const { settings } = await plan({});
    expect(settings).toMatchObject({ guidanceInterval: [0, 1], ngms: 0 });
    for (const key of ["deepCache", "deepCacheBranch", "tokenMerging"]) expect(settings).not.toHaveProperty(key);
    expect((await plan({ goal: "quality" })).settings).toMatchObject({ guidanceInterval: [0, 1], ngms: 0 });
  });

  it("tells those of the goal fast, and settings beside it win", async () => {
    expect((await plan({ goal: "fast" })).settings).toMatchObject({
      guidanceInterval: [0, 0.6],
      deepCache: 2,
      deepCacheFrom: 0.2,
      deepCacheLate: 10,
    });
    const exact = (await plan({ goal: "fast", guidanceInterval: [0, 1], deepCache: 1 })).settings;
    expect(exact.guidanceInterval).toEqual([0, 1]);
    expect(exact).not.toHaveProperty("deepCache");
  });

  it("notes a negative prompt that no step would look at", async () => {
    const notes = async (to: number) =>
      (await plan({ negativePrompt: "blurry", steps: 10, guidance: 5, guidanceInterval: [0, to] })).notes.join();
    expect(await notes(0.05)).toContain("The negative prompt is not looked at");
    expect(await notes(0.1)).not.toContain("not looked at");
  });
});

describe("another VAE", () => {
  it("is found in the cache by its name, and a name that is not there is refused with what to do", async () => {
    const home = await mkdtemp(join(tmpdir(), "inkling-vae-"));
    const env = { HF_HOME: home, HOME: home };
    await expect(openPlanner(plainCheckpoint.folder, { vae: "taesd", env })).rejects.toThrow(
      /hf download madebyollin\/taesd/,
    );
    const snapshot = join(home, "hub", "models--madebyollin--taesd", "snapshots", "abc");
    await mkdir(snapshot, { recursive: true });
    for (const file of ["config.json", "diffusion_pytorch_model.safetensors"]) {
      await copyFile(path("checkpoints", "tiny-taesd", file), join(snapshot, file));
    }
    const { checkpoint } = await modelFacts(plainCheckpoint.folder, { vae: "taesd", env });
    expect(checkpoint.vae.config["_class_name"]).toBe("AutoencoderTiny");
    await expect(openPlanner(plainCheckpoint.folder, { vae: "gpt2", env })).rejects.toThrow(/decodes latents: taesd/);
    await rm(home, { recursive: true });
  });
});
