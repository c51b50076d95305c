/** Goals: what each stands for, what gives way to what, and what a model can draw of it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { goalWords } from "../../src/cli/goal.ts";
import { type Config, checkConfig, configJsonSchema, defineConfig } from "../../src/pipelines/config.ts";
import type { ModelDefaults } from "../../src/pipelines/defaults.ts";
import { type Fit, fitGoal } from "../../src/pipelines/fit-goal.ts";
import { goalNames, goalOf } from "../../src/pipelines/goal.ts";
import { GOALS } from "../../src/pipelines/goals.ts";
import type { GenerateSettings, GoalSettings } from "../../src/pipelines/settings.ts";
import { InputError } from "../../src/tensor/index.ts";

/** A model that was made for squares of `side`. */
function made(side: number, more: Partial<ModelDefaults> = {}): Fit {
  const defaults: ModelDefaults = {
    steps: 50,
    guidance: 7.5,
    fewSteps: false,
    sampler: undefined,
    schedule: undefined,
    width: side,
    height: side,
    sizes: [],
    previewFactors: [],
    ...more,
  };
  return { name: "some-model", scale: 8, defaults };
}
const large = made(1024);

/** Of the goal fast, as bench/drift.mjs guards them. */
const SHORTCUTS = { guidanceInterval: [0, 0.6], deepCache: 2, deepCacheFrom: 0.2, deepCacheLate: 10 };

/** What is drawn with a goal of these settings. */
function fitted(settings: GoalSettings, model: Fit, asked: Partial<GenerateSettings> = {}) {
  const goal = { name: "mine", about: "", settings, writer: {} };
  const { settings: all, note } = fitGoal({ prompt: "x", goal, ...asked }, model);
  const { prompt: _, goal: __, ...rest } = all;
  return { ...rest, note };
}

describe("the goals of the package", () => {
  it("stand for the settings that they promise", () => {
    expect(goalOf("fast")).toMatchObject({
      settings: { steps: 25, width: 256, height: 256, ...SHORTCUTS },
      writer: { count: 4 },
    });
    expect(goalOf("quality")).toMatchObject({
      settings: { steps: 75, width: 768, height: 768, guidance: 12 },
      writer: { maxLength: 17 },
    });
    expect(goalOf("creative")).toMatchObject({ settings: { guidance: 7 }, writer: { temperature: 1.3 } });
    expect(goalNames()).toEqual(["fast", "quality", "creative"]);
  });

  it("are told by the nearest name where there is none", () => {
    expect(() => goalOf("qualty")).toThrow(
      new InputError('There is no goal "qualty" (Did you mean quality?): fast, quality, creative.'),
    );
    expect(() => goalOf("zzzzzzzz")).toThrow('There is no goal "zzzzzzzz": fast, quality, creative.');
    for (const name of ["constructor", "__proto__", ""]) expect(() => goalOf(name)).toThrow(InputError);
  });
});

describe("goals of a config file", () => {
  const config = defineConfig({
    goals: {
      quality: { settings: { steps: 50 }, writer: { temperature: 0.8 } },
      poster: { about: "tall", extends: "quality", settings: { width: 512, height: 704 } },
      sketch: { extends: "fast" },
      plain: { settings: { guidance: 3 } },
    },
  });

  it("change one of the package's key by key", () => {
    expect(goalOf("quality", { config })).toEqual({
      name: "quality",
      about: goalOf("quality").about,
      settings: { steps: 50, width: 768, height: 768, guidance: 12 },
      writer: { maxLength: 17, temperature: 0.8 },
    });
  });

  it("extend others, the changed ones too", () => {
    expect(goalOf("poster", { config })).toEqual({
      name: "poster",
      about: "tall",
      settings: { steps: 50, width: 512, height: 704, guidance: 12 },
      writer: { maxLength: 17, temperature: 0.8 },
    });
    expect(goalOf("sketch", { config })).toEqual({ ...goalOf("fast"), name: "sketch", about: "fast, changed" });
    expect(goalOf("plain", { config })).toEqual({ name: "plain", about: "", settings: { guidance: 3 }, writer: {} });
    expect(goalNames({ config })).toEqual(["fast", "quality", "creative", "poster", "sketch", "plain"]);
    const rebuilt: Config = { goals: { quality: { extends: "fast", settings: { guidance: 5 } } } };
    expect(goalOf("quality", { config: rebuilt }).settings).toEqual({
      steps: 25,
      width: 256,
      height: 256,
      guidance: 5,
      ...SHORTCUTS,
    });
    const itself: Config = { goals: { fast: { extends: "fast", settings: { steps: 9 } } } };
    expect(goalOf("fast", { config: itself }).settings).toEqual({ steps: 9, width: 256, height: 256, ...SHORTCUTS });
  });

  it("that extend each other or nothing are refused", () => {
    const circle: Config = { goals: { a: { extends: "b" }, b: { extends: "c" }, c: { extends: "a" } } };
    expect(() => goalOf("a", { config: circle })).toThrow("a → b → c → a");
    const alone: Config = { goals: { a: { extends: "a" } } };
    expect(() => goalOf("a", { config: alone })).toThrow(InputError);
    const lost: Config = { goals: { a: { extends: "qualty" } } };
    expect(() => goalOf("a", { config: lost })).toThrow(/"qualty", which a extends \(Did you mean quality\?\)/);
  });
});

describe("a goal with a model", () => {
  const quality = (model: Fit, asked: Partial<GenerateSettings> = {}) =>
    fitted(goalOf("quality").settings, model, asked);

  it("gives way to what is asked for, one by one", () => {
    expect(quality(large)).toEqual({ steps: 75, width: 768, height: 768, guidance: 12 });
    expect(quality(large, { steps: 40 })).toEqual({ steps: 40, width: 768, height: 768, guidance: 12 });
    expect(quality(large, { guidance: 0, width: 512 })).toEqual({ steps: 75, width: 512, height: 768, guidance: 0 });
    expect(quality(large, { steps: undefined })).toMatchObject({ steps: 75 });
  });

  it("is capped to the size that the model was made for, and says so in one line", () => {
    expect(quality(made(256))).toEqual({
      steps: 75,
      width: 256,
      height: 256,
      guidance: 12,
      note: "The goal mine is fitted to some-model: 256×256 instead of 768×768, since pictures larger than it was trained for show things twice.",
    });
    expect(quality(made(512, { sizes: [512, 640] }))).toMatchObject({ width: 640, height: 640 });
    expect(quality(made(768)).note).toBeUndefined();
    expect(fitted(goalOf("fast").settings, made(512))).toEqual({ steps: 25, width: 256, height: 256, ...SHORTCUTS });
  });

  it("keeps its aspect ratio, on the places of the latent", () => {
    expect(fitted({ width: 512, height: 768 }, made(256))).toMatchObject({ width: 168, height: 256 });
    expect(fitted({ width: 2048, height: 8 }, made(64))).toMatchObject({ width: 64, height: 8 });
    expect(fitted({ height: 512 }, made(256))).toMatchObject({
      height: 256,
      note: expect.stringContaining("256 pixels high"),
    });
  });

  it("never touches a size that was asked for, nor one of a picture to start from", () => {
    expect(quality(made(256), { width: 768, height: 512 })).toEqual({
      steps: 75,
      guidance: 12,
      width: 768,
      height: 512,
    });
    const picture = { data: new Float32Array(), dtype: "float32", shape: [1, 3, 64, 64] } as never;
    expect(quality(made(256), { init: { picture } })).toEqual({ steps: 75, guidance: 12, init: { picture } });
  });

  it("leaves a model that was distilled to few steps its own walk", () => {
    const turbo = made(512, { fewSteps: true, steps: 4, guidance: 1 });
    const { note, ...settings } = quality(turbo);
    expect(settings).toEqual({ width: 512, height: 512 });
    expect(note).toMatch(
      /^The goal mine is fitted to some-model: 512×512 instead of 768×768, .*; its own steps and guidance \(4 and 1\), [^\n]*\.$/,
    );
    expect(quality(turbo, { steps: 8, guidance: 2, width: 512, height: 512 })).toEqual({
      steps: 8,
      guidance: 2,
      width: 512,
      height: 512,
    });
    expect(fitted({ sampler: "Euler a", clipSkip: 2 }, turbo)).toMatchObject({ clipSkip: 2, note: expect.any(String) });
    expect(fitted({ sampler: "Euler a" }, turbo)).not.toHaveProperty("sampler");
  });

  it("gives up what was meant for its sampler where another is asked for", () => {
    const mine = { sampler: "Euler a", schedule: "Karras", eta: 0.5, steps: 9 };
    expect(fitted(mine, large)).toEqual(mine);
    expect(fitted(mine, large, { sampler: "DDIM" })).toEqual({ sampler: "DDIM", steps: 9 });
    expect(fitted(mine, large, { schedule: "Exponential" })).toEqual({ ...mine, schedule: "Exponential" });
  });
});

describe("a config", () => {
  it.each([
    [null, "should hold an object"],
    [[], "should hold an object"],
    ["x", "should hold an object"],
    [{ goal: {} }, 'there is no key "goal" (Did you mean goals?)'],
    [{ goals: { a: { settings: { stpes: 3 } } } }, '"goals.a.settings": there is no key "stpes" (Did you mean steps?)'],
    [{ goals: { a: { steps: 3 } } }, '"goals.a": there is no key "steps": about, extends, settings, writer'],
    [{ goals: { a: { settings: { steps: 0 } } } }, '"goals.a.settings.steps": Too small'],
    [{ goals: { a: { settings: { width: 100 } } } }, '"goals.a.settings.width": '],
    [{ goals: { a: { settings: { guidance: "7" } } } }, '"goals.a.settings.guidance": Invalid input: expected number'],
    [{ goals: { a: { writer: { temperature: -1 } } } }, '"goals.a.writer.temperature": '],
    [{ goals: { none: {} } }, '"goals": "none" is the word for no goal'],
    [{ goals: { "a b": {} } }, '"goals.a b": '],
    [{ defaults: { modell: "x" } }, '"defaults": there is no key "modell" (Did you mean model?)'],
    [{ defaults: { threads: 0 } }, '"defaults.threads": '],
  ])("%j is refused with its file, key and fault", (config, fault) => {
    const check = () => checkConfig(config, "some/inkling.config.json");
    expect(check).toThrow(InputError);
    expect(check).toThrow("some/inkling.config.json");
    expect(check).toThrow(fault);
  });

  it("may be empty, and may name its schema", () => {
    expect(checkConfig({}, "f")).toEqual({});
    expect(checkConfig({ $schema: "./s.json", defaults: {} }, "f")).toMatchObject({ defaults: {} });
  });
});

describe("docs/goals.md", () => {
  const text = readFileSync(new URL("../../docs/goals.md", import.meta.url), "utf8");

  it("has the package's goals in its table, as `inkling goals` lists them", () => {
    const rows = text.split("\n").filter((line) => line.startsWith("| `"));
    expect(rows).toEqual(GOALS.map((goal) => `| \`${goal.name}\` | ${goalWords(goal)} | ${goal.about} |`));
  });

  it("has examples that are taken", () => {
    const [json] = [...text.matchAll(/^```json\n(.*?)^```/gms)].map(([, code]) => code!);
    expect(goalOf("bold", { config: checkConfig(JSON.parse(json!), "f") })).toMatchObject({
      settings: { guidance: 7 },
      writer: { temperature: 1.6 },
    });
    const [, object] = /^export default defineConfig\((.*?)^\}\);/ms.exec(text)!;
    const config = checkConfig(new Function(`return ${object}}`)(), "f");
    expect(goalOf("poster", { config }).settings).toMatchObject({ steps: 50, height: 768, guidanceRescale: 0.7 });
  });
});

describe("the schema for editors", () => {
  const file = new URL("../../assets/config.schema.json", import.meta.url);

  it("is up to date (vitest -u writes it)", async () => {
    await expect(`${JSON.stringify(configJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(fileURLToPath(file));
  });

  it("knows every setting that a goal may set, and tells what each is", () => {
    interface Schema {
      readonly properties?: Record<string, Schema>;
      readonly additionalProperties?: Schema | false;
      readonly description?: string;
    }
    const { goals, defaults } = (JSON.parse(readFileSync(file, "utf8")) as Schema).properties!;
    const goal = goals!.additionalProperties as Schema;
    const { settings, writer } = goal.properties!;
    const every: Required<GoalSettings> = {
      negativePrompt: "",
      steps: 1,
      width: 8,
      height: 8,
      guidance: 1,
      guidanceRescale: 0,
      guidanceInterval: [0, 1],
      ngms: 0,
      deepCache: 1,
      deepCacheBranch: 0,
      deepCacheFrom: 0,
      deepCacheLate: 1,
      tokenMerging: 0,
      sampler: "x",
      schedule: "x",
      eta: 0,
      clipSkip: 1,
    };
    expect(Object.keys(settings!.properties!).sort()).toEqual(Object.keys(every).sort());
    expect(checkConfig({ goals: { a: { settings: every } } }, "f")).toMatchObject({
      goals: { a: { settings: every } },
    });
    for (const each of [goal, settings!, writer!, defaults!]) {
      expect(each.additionalProperties).toBe(false);
      for (const [key, { description }] of Object.entries(each.properties!)) expect(description, key).toBeTruthy();
    }
  });
});
