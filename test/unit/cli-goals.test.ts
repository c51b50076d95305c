/** Goals, dry runs and config files as the command line takes them. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder = "";
let file = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-goals-"));
  file = join(folder, "a.png");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const infotextOf = async (path: string) => parseInfotext(readMetadata(await readFile(path), path).infotext!);

/** A config file with this in it. */
async function config(content: object): Promise<string> {
  const path = join(folder, "mine.json");
  await writeFile(path, JSON.stringify(content));
  return path;
}

describe("--goal", () => {
  it("is said in one line before drawing, and stands in the picture", async () => {
    const ran = await runCli(["x", "--goal", "fast", "-o", file]);
    const lines = ran.stderr.split("\n");
    expect(lines[0]).toBe(
      "inkling: Goal fast: 25 steps, 256×256, guidance 7, guided from 0 to 0.6, DeepCache 2 from 0.2, late 10.",
    );
    expect((await infotextOf(file)).fields.get("Goal")).toBe("fast");
    expect((await infotextOf(file)).settings).toMatchObject({ steps: 25, width: 256, height: 256 });
    expect((await runCli(["x", "-o", join(folder, "b.png")])).stderr).not.toContain("Goal");
    expect((await infotextOf(join(folder, "b.png"))).fields.has("Goal")).toBe(false);
  });

  it("gives way to other options one by one", async () => {
    const { asked, stderr } = await runCli(["x", "--goal", "fast", "--steps", "4", "-o", file]);
    expect(asked[0]).toMatchObject({ steps: 4, goal: { name: "fast" } });
    expect(stderr).toContain(
      "Goal fast: 4 steps, 256×256, guidance 7, guided from 0 to 0.6, DeepCache 2 from 0.2, late 10.",
    );
  });

  it("fast takes shortcuts, which the picture tells and options undo", async () => {
    await runCli(["x", "--goal", "fast", "--seed", "3", "-o", file, "--model", "m"]);
    const { fields } = await infotextOf(file);
    expect([fields.get("Guidance interval"), fields.get("DeepCache")]).toEqual(["0 to 0.6", "2"]);
    const again = await runCli(["--from", file, "-o", join(folder, "b.png"), "--model", "m"]);
    expect(again.asked[0]).toMatchObject({
      guidanceInterval: [0, 0.6],
      deepCache: 2,
      deepCacheFrom: 0.2,
      deepCacheLate: 10,
    });
    expect(await readFile(join(folder, "b.png"))).toEqual(await readFile(file));
    const exact = ["--goal", "fast", "--guidance-interval", "0:1", "--deep-cache", "1", "-o", join(folder, "c.png")];
    expect((await runCli(["x", ...exact])).asked[0]).toMatchObject({ guidanceInterval: [0, 1], deepCache: 1 });
  });

  it("that is unknown ends with 2 and the nearest name, before anything is loaded", async () => {
    const ran = await runCli(["x", "--goal", "qualty", "-o", file]);
    expectRefusal(ran, 2, "qualty", "Did you mean quality?");
    expect(ran.loads).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("of a picture is a name: its numbers are taken over", async () => {
    await runCli(["x", "--goal", "fast", "--steps", "4", "--seed", "3", "-o", file, "--model", "m"]);
    const again = await runCli(["--from", file, "-o", join(folder, "b.png"), "--model", "m"]);
    expect(again.asked[0]).toMatchObject({ steps: 4, width: 256, height: 256 });
    expect(again.stderr).not.toContain("Goal");
    expect(await readFile(join(folder, "b.png"))).toEqual(await readFile(file));
    // A name that nobody here knows is as good.
    const own = await config({ goals: { mine: { settings: { steps: 2 } } } });
    const other = join(folder, "c.png");
    await runCli(["x", "--goal", "mine", "--config-file", own, "-o", other, "--model", "m"]);
    const third = await runCli(["--from", other, "-o", join(folder, "d.png"), "--model", "m"]);
    expect(third.asked[0]).toMatchObject({ steps: 2, goal: { name: "mine", settings: {} } });
  });

  it("wins over a picture's settings where both are given, for what it sets", async () => {
    await runCli(["x", "--steps", "4", "--guidance", "3", "--size", "32", "--seed", "3", "-o", file, "--model", "m"]);
    const { asked, stderr } = await runCli([
      "--from",
      file,
      "--goal",
      "fast",
      "-o",
      join(folder, "b.png"),
      "--model",
      "m",
    ]);
    expect(asked[0]).toMatchObject({ guidance: 3, seed: 3, goal: { name: "fast" } });
    for (const key of ["steps", "width", "height"]) expect(asked[0]).not.toHaveProperty(key);
    expect(stderr).toContain(
      "Goal fast: 25 steps, 256×256, guidance 3, guided from 0 to 0.6, DeepCache 2 from 0.2, late 10.",
    );
    const flags = ["--goal", "fast", "--steps", "6", "-o", join(folder, "c.png"), "--model", "m"];
    expect((await runCli(["--from", file, ...flags])).asked[0]).toMatchObject({ steps: 6 });
  });
});

describe("--dry-run", () => {
  it("--json is exactly one line, and nothing is loaded or made", async () => {
    const output = join(folder, "new/");
    const ran = await runCli([
      "generate",
      "x",
      "--goal",
      "quality",
      "--seed",
      "5",
      "--dry-run",
      "--json",
      "-o",
      output,
    ]);
    expect(ran.stdout).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(ran.stdout)).toEqual({
      settings: expect.objectContaining({ steps: 75, width: 768, height: 768, guidance: 12, seed: 5, goal: "quality" }),
      writer: { maxLength: 17 },
      notes: ["Goal quality: 75 steps, 768×768, guidance 12.", "a remark"],
    });
    expect([ran.code, ran.stderr, ran.loads, ran.asked]).toEqual([0, "", [], []]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("prints lines, notes on stderr", async () => {
    const ran = await runCli(["a\nb", "--steps", "9", "--dry-run", "-o", folder]);
    expect(ran.stdout).toMatch(/^steps +9$/m);
    expect(ran.stdout).toMatch(/^size +16×24$/m);
    expect(ran.stdout).toMatch(/^prompt +a b$/m);
    expect(ran.stderr).toBe("inkling: a remark\n");
    expect((await runCli(["x", "--dry-run", "-q"])).stderr).toBe("");
  });

  it("refuses what drawing would", async () => {
    expectRefusal(await runCli(["x", "--dry-run", "--sampler", "eulr"]), 2, "eulr");
    expectRefusal(await runCli(["x", "--dry-run", "--device", "cdua"]), 2, "cdua");
    expectRefusal(await runCli(["x", "--dry-run", "--clip-skip", "99"]), 2, "clip skip");
    expectRefusal(await runCli(["x", "--dry-run", "-o", "a.gif"]), 2, "a.gif");
  });
});

describe("inkling goals", () => {
  it("lists the package's, and those of the config file", async () => {
    const { stdout } = await runCli(["goals"]);
    expect(stdout).toMatch(
      /^fast +steps 25, guidance interval 0 to 0.6, deep cache 2, deep cache from 0.2, deep cache late 10, size 256×256, prompts 4 /m,
    );
    expect(stdout).toMatch(/^creative +guidance 7, temperature 1.3 /m);
    const own = await config({ goals: { poster: { extends: "quality", settings: { steps: 30 } } } });
    const { goals } = JSON.parse((await runCli(["goals", "--json", "--config-file", own])).stdout) as {
      goals: object[];
    };
    expect(goals).toHaveLength(4);
    expect(goals[3]).toMatchObject({
      name: "poster",
      settings: { steps: 30, guidance: 12 },
      writer: { maxLength: 17 },
    });
  });
});

describe("a config file", () => {
  it("gives defaults that any option wins over", async () => {
    const defaults = { model: "m", device: "cpu", threads: 2, goal: "fast", negative: "fog", output: "pictures/" };
    const own = await config({ defaults });
    const usual = await runCli(["x", "--config-file", own]);
    expect(usual.loads[0]).toMatchObject({ model: "m", options: { device: "cpu", threads: 2 } });
    expect(usual.asked[0]).toMatchObject({ negativePrompt: "fog", goal: { name: "fast" } });
    expect(usual.stdout).toBe(`${join(folder, "pictures", "inkling-00001-1234.png")}\n`);
    const options = "--model n --device webgpu --threads 1 --goal none --negative rain".split(" ");
    const other = await runCli(["x", "--config-file", own, "-o", file, ...options]);
    expect(other.loads[0]).toMatchObject({ model: "n", options: { device: "webgpu", threads: 1 } });
    expect(other.asked[0]).toMatchObject({ negativePrompt: "rain" });
    expect(other.asked[0]).not.toHaveProperty("goal");
    expect(other.stdout).toBe(`${file}\n`);
  });

  it("has no say in what a picture's settings say", async () => {
    await runCli(["x", "--steps", "4", "--model", "m", "-o", file]);
    const own = await config({ defaults: { goal: "quality", negative: "fog", model: "n" } });
    const { asked } = await runCli(["--from", file, "--config-file", own, "--model", "m", "-o", join(folder, "b.png")]);
    expect(asked[0]).toMatchObject({ steps: 4, negativePrompt: "" });
    expect(asked[0]).not.toHaveProperty("goal");
  });

  it("of which a goal's negative prompt wins over the default one", async () => {
    const goals = { mine: { settings: { negativePrompt: "rain" } } };
    const own = await config({ goals, defaults: { negative: "fog" } });
    const { asked } = await runCli(["x", "--goal", "mine", "--config-file", own, "-o", file]);
    expect(asked[0]?.negativePrompt).toBeUndefined();
    expect(asked[0]?.goal).toMatchObject({ settings: { negativePrompt: "rain" } });
  });

  it("is seen from its own folder", async () => {
    await mkdir(join(folder, "deep"));
    const path = join(folder, "deep", "inkling.config.json");
    await writeFile(path, JSON.stringify({ defaults: { model: "../m", output: "out/" } }));
    const { loads, stdout } = await runCli(["x", "--config-file", path]);
    expect(loads[0]?.model).toBe(join(folder, "m"));
    expect(stdout).toContain(join(folder, "deep", "out"));
  });

  it.each([
    ["{ nonsense", 1, "mine.json cannot be loaded"],
    ['{"goals": {"a": {"settings": {"stpes": 1}}}}', 1, 'mine.json: "goals.a.settings": there is no key "stpes"'],
    ['{"defaults": {"goal": "qualty"}}', 1, 'mine.json: "defaults.goal": There is no goal "qualty"'],
    ['{"defaults": {"goal": "a"}, "goals": {"a": {"extends": "b"}}}', 1, 'no goal "b", which a extends'],
    ["[]", 1, "mine.json should hold an object"],
    ["", 1, "mine.json cannot be loaded"],
    ['{"defaults": {"device": "cdua"}}', 2, "Did you mean cuda?"],
    ['{"defaults": {"goal": "a"}, "goals": {"a": {"settings": {"sampler": "eulr a"}}}}', 2, "eulr a"],
  ])("at fault is told in one line: %s", async (text, code, words) => {
    const path = join(folder, "mine.json");
    await writeFile(path, text);
    expectRefusal(await runCli(["x", "--config-file", path, "-o", file, "-q"]), code, words);
    expect(await readdir(folder)).toEqual(["mine.json"]);
  });

  it("that is missing, or no config by its name, is told", async () => {
    expectRefusal(await runCli(["x", "--config-file", join(folder, "no.json")]), 1, "no.json", "no such file");
    expectRefusal(await runCli(["x", "--config-file", join(folder, "a.yaml")]), 1, "a.yaml", ".json");
  });
});
