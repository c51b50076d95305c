/** Goals with models as they lie on the disk: the fixtures' checkpoints and the embedded one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DrawnImage, type Inkling, load } from "../../src/pipelines/index.ts";
import { openPlanner } from "../../src/pipelines/plan.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { InputError } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { exists, list, path, readJson } from "../support/fixtures.ts";

/** Checkpoint folders that draw from text. */
const checkpoints = list("checkpoints").filter(
  (name) =>
    exists("checkpoints", name, "model_index.json") &&
    exists("checkpoints", name, "unet", "config.json") &&
    readJson<{ in_channels: number }>("checkpoints", name, "unet", "config.json").in_channels === 4,
);

/** Latent consistency models are told their guidance; Turbo's scheduler is Euler with trailing timesteps. */
function fewSteps(name: string): boolean {
  const unet = readJson<Record<string, unknown>>("checkpoints", name, "unet", "config.json");
  const scheduler = readJson<Record<string, unknown>>("checkpoints", name, "scheduler", "scheduler_config.json");
  const turbo = scheduler["_class_name"] === "EulerDiscreteScheduler" && scheduler["timestep_spacing"] === "trailing";
  return turbo || typeof unet["time_cond_proj_dim"] === "number";
}

describe("quality with the fixtures' checkpoints", () => {
  it("are some of each kind", () => {
    expect(new Set(checkpoints.map(fewSteps))).toEqual(new Set([true, false]));
  });

  it.each(checkpoints)("%s", async (name) => {
    const planner = await openPlanner(path("checkpoints", name), { env: {} });
    const own = planner.plan({ prompt: "x" }).settings;
    const { settings, notes } = planner.plan({ prompt: "x", goal: "quality" });
    const { steps, guidance } = fewSteps(name) ? own : { steps: 75, guidance: 12 };
    // All of them are smaller than 768.
    const { width, height } = own;
    expect(settings).toEqual({ ...own, goal: "quality", steps, guidance, width, height, seed: settings.seed });
    expect(notes[0]).toMatch(
      new RegExp(`^The goal quality is fitted to ${name}: ${width}×${height} instead of 768×768,`),
    );
    expect(notes.slice(1)).toEqual(fewSteps(name) ? [] : [expect.stringContaining("guidance as high as 12")]);
    const asked = { prompt: "x", goal: "quality", steps: 3, guidance: 2, width: 768, height: 512 };
    expect(planner.plan(asked).settings).toMatchObject({ steps: 3, guidance: 2, width: 768, height: 512 });
  });
});

describe("a high guidance", () => {
  it.each<[Partial<GenerateSettings>, boolean]>([
    [{ guidance: 12 }, true],
    [{ guidance: 10 }, true],
    [{ guidance: 9.9 }, false],
    [{ guidance: 12, guidanceRescale: 0.7 }, false],
    [{ guidance: 12, guidanceInterval: [0.2, 0.8] }, false],
    [{ goal: "creative" }, false],
    [{ goal: "quality" }, true],
    [{ goal: "quality", guidance: 5 }, false],
    [{ goal: "quality", guidanceRescale: 0.5 }, false],
  ])("%j is remarked: %s", async (asked, remarked) => {
    const planner = await openPlanner(undefined, { env: {} });
    const { notes } = planner.plan({ prompt: "x", ...asked });
    const said = notes.filter((line) => /over-processes/.test(line));
    expect(said).toHaveLength(remarked ? 1 : 0);
    if (remarked) expect(said[0]).toContain("--guidance-rescale 0.7");
  });
});

describe("the library", () => {
  let inkling: Inkling;
  let notes: string[] = [];
  beforeAll(async () => {
    const onNote = (line: string): void => void notes.push(line);
    inkling = await load(plainCheckpoint.folder, { device: "cpu", threads: 1, env: {}, onNote });
  });
  afterAll(() => inkling.close());

  const draw = async (settings: Partial<GenerateSettings>): Promise<DrawnImage> => {
    notes = [];
    return (await inkling.generate({ prompt: "x", seed: 1, width: 64, height: 64, steps: 2, ...settings })).images[0]!;
  };

  it("draws with a goal what it draws with the goal's settings, and says so", async () => {
    const plain = await draw({ guidance: 7 });
    const creative = await draw({ goal: "creative" });
    expect(creative.data).toEqual(plain.data);
    expect(creative.settings).toEqual({ ...plain.settings, goal: "creative" });
    expect(creative.infotext).toContain(", Goal: creative, ");
    expect(plain.infotext).not.toContain("Goal");
    expect(notes).toEqual([]);
    const capped = await draw({ goal: "quality", width: undefined, height: undefined, guidance: 3 });
    expect(capped.width).toBeLessThan(768);
    expect(notes).toEqual([expect.stringMatching(/^The goal quality is fitted to /)]);
  });

  it("takes a goal as an object, and refuses a name that it does not know", async () => {
    const goal = { name: "mine", about: "", settings: { steps: 1, guidance: 1 }, writer: {} };
    expect((await draw({ goal, steps: undefined })).settings).toMatchObject({ goal: "mine", steps: 1, guidance: 1 });
    await expect(draw({ goal: "qualty" })).rejects.toThrow(
      new InputError('There is no goal "qualty" (Did you mean quality?): fast, quality, creative.'),
    );
  });
});
