/** What the library writes into a picture is enough to draw it again, and tells nothing of the machine. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseInfotext, readMetadata } from "../../src/image/index.ts";
import { type GenerateSettings, load, type ResolvedSettings } from "../../src/pipelines/index.ts";
import { extraFields, readExtra } from "../../src/pipelines/infotext-extra.ts";
import { limits } from "../../src/pipelines/limits.ts";
import { float32, InputError } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";

const { name, folder: model } = plainCheckpoint;
const small: GenerateSettings = { prompt: "a lady", width: 64, height: 64, steps: 2, seed: 7 };

test("a saved picture carries all that it depends on", async () => {
  const folder = await mkdtemp(join(tmpdir(), "inkling-extra-"));
  const inkling = await load(model, {
    device: "cpu",
    threads: 1,
    env: {},
    vae: join(model, "vae"),
    config: model,
    prediction: "epsilon",
  });
  try {
    const schedulerConfig = { steps_offset: 0, use_karras_sigmas: true };
    const { images } = await inkling.generate({
      ...small,
      sampler: "EulerDiscreteScheduler",
      schedulerConfig,
      count: 2,
      noise: "batch",
    });
    const file = join(folder, "a.png");
    await images[1]!.save(file);
    const { infotext } = readMetadata(await readFile(file), file);
    expect(infotext).toBe(images[1]!.infotext);
    expect(infotext).not.toContain(model);
    const { fields, settings } = parseInfotext(infotext!);
    expect(settings.model).toBe(name);
    expect(settings.modelHash).toMatch(/^[0-9a-f]{10}$/);
    expect(Object.fromEntries(fields)).toMatchObject({
      VAE: "vae",
      Config: name,
      Prediction: "epsilon",
      Noise: "batch",
      "Batch size": "2",
      "Batch pos": "1",
      Version: expect.stringMatching(/^inkling \d/),
    });
    expect(readExtra(fields)).toMatchObject({
      prediction: "epsilon",
      schedulerConfig,
      lost: ["VAE", "Config", "Noise"],
    });

    const picture = float32([1, 3, 64, 64], new Float32Array(3 * 64 * 64).fill(0.5));
    const { images: from } = await inkling.generate({ ...small, init: { picture }, strength: 0.5 });
    expect(parseInfotext(from[0]!.infotext).fields.get("Denoising strength")).toBe("0.5");

    for (const [setting, [low, high]] of Object.entries(limits).filter(
      ([key]) => !["side", "captions", "preparedLimit"].includes(key),
    )) {
      for (const value of [low - 1, high + 1].map((v) => (Math.abs(v) > 2 ** 53 - 1 ? 2 * v : v))) {
        const init = setting === "strength" ? { picture } : undefined;
        const wrong =
          setting === "adapterScale" ? { adapters: [{ file: "a.safetensors", scale: value }] } : { [setting]: value };
        expect(() => inkling.resolve({ ...small, init, ...wrong }), setting).toThrow(InputError);
      }
    }
    expect(() => inkling.resolve({ ...small, width: limits.side[1] + 8 })).toThrow(InputError);
  } finally {
    await inkling.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a picture of its own that nothing was overridden for says who drew it and no more", () => {
  const settings = { noise: "batch", tiling: false, width: 64, height: 64, schedulerConfig: {} } as ResolvedSettings;
  const said = Object.entries(extraFields(settings, { count: 1 })).filter(([, value]) => value !== undefined);
  expect(said).toEqual([["Version", expect.stringMatching(/^inkling \d/)]]);
});

test.each([
  [true, 64, "on"],
  [false, 64, undefined],
  [true, 2048, "on"],
  [false, 2048, "off"],
])("decoding with tiling %s at %i is said to be %s", (tiling, side, word) => {
  const settings = { tiling, width: side, height: side } as ResolvedSettings;
  const { "Tiled decoding": said } = extraFields(settings);
  expect(said).toBe(word);
  expect(readExtra(new Map([["Tiled decoding", `${said}`]])).tiling).toBe(word && tiling);
});

test("merged tokens are told in A1111's field, and shortcuts of A1111 that there are not here are noted", () => {
  expect(extraFields({ tokenMerging: 0.5 } as ResolvedSettings)["Token merging ratio"]).toBe(0.5);
  const read = (...fields: [string, string][]) => readExtra(new Map(fields));
  expect(read(["Token merging ratio", "0.5"]).tokenMerging).toBe(0.5);
  expect(read(["Token merging ratio", "0.9"]).tokenMerging).toBeUndefined();
  expect(read(["NGMS all steps", "True"], ["Skip Early CFG", "0.1"]).lost).toEqual([
    "Skip Early CFG",
    "NGMS all steps",
  ]);
});

test("features that were reused are told, and read as numbers of their range", () => {
  const names = ["DeepCache", "DeepCache branch", "DeepCache from", "DeepCache late"] as const;
  const told = (deepCacheFrom: number, deepCacheLate?: number) => {
    const fields = extraFields({ deepCache: 3, deepCacheBranch: 0, deepCacheFrom, deepCacheLate } as ResolvedSettings);
    return names.map((name) => fields[name]);
  };
  expect(told(0.4, 5)).toEqual([3, 0, 0.4, 5]);
  expect(told(0)).toEqual([3, 0, undefined, undefined]);
  const read = (...said: string[]) => {
    const { deepCache, deepCacheBranch, deepCacheFrom, deepCacheLate } = readExtra(
      new Map(said.map((value, i) => [names[i]!, value])),
    );
    return [deepCache, deepCacheBranch, deepCacheFrom, deepCacheLate];
  };
  expect(read("3", "0", "0.4", "5")).toEqual([3, 0, 0.4, 5]);
  expect(read("2.5", "-1", "1.5", "0")).toEqual([undefined, undefined, undefined, undefined]);
});
