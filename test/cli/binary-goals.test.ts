/** The built command with goals and config files: what it settles, what it runs, and what it leaves alone. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parseInfotext, readMetadata } from "../../src/image/index.ts";
import { binary, expectOneMessage, model, quick, run, workingFolder } from "../support/binary.ts";

const work = workingFolder();
const root = fileURLToPath(new URL("../../", import.meta.url));

/** What `inkling goals --json` lists, by name. */
async function goals(cwd = work.cwd, env: Record<string, string> = {}, ...options: string[]) {
  const done = await run(["goals", "--json", ...options], { cwd, env: { HOME: dirname(work.cwd), ...env } });
  expect(done.said).toEqual([]);
  const all = (JSON.parse(done.stdout) as { goals: { name: string; settings: object }[] }).goals;
  return Object.fromEntries(all.map(({ name, settings }) => [name, settings]));
}

describe("a dry run", () => {
  it("is one line, and may neither write, nor start a process, nor load a library", async () => {
    const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "" : "experimental-";
    const flags = [`--${permission}permission`, "--allow-fs-read=*", "--no-warnings"];
    const words = ["generate", "a cat", "--goal", "quality", "--seed", "5", "-o", "new/", "--dry-run", "--json"];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, binary, ...words], {
      cwd: work.cwd,
    });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^[^\n]+\n$/);
    expect(JSON.parse(stdout)).toMatchObject({
      settings: { steps: 75, width: 256, height: 256, guidance: 12, sampler: "DPM++ 2M", seed: 5, goal: "quality" },
      writer: { maxLength: 17 },
      notes: [
        "Goal quality: 75 steps, 256×256, guidance 12.",
        expect.stringMatching(/fitted to inkdrop-256: 256×256 instead of 768×768/),
        expect.stringMatching(/A guidance as high as 12 over-processes.*--guidance-rescale 0\.7/),
      ],
    });
    expect(work.files()).toEqual([]);
  });

  it("tells what is drawn then", async () => {
    const words = [...quick, "--guidance", "3", "--eta", "0.5", "--sampler", "Euler a", "-o", "a.png"];
    const { settings } = JSON.parse((await run([...words, "--dry-run", "--json"], work)).stdout) as {
      settings: object;
    };
    expect((await run(words, work)).code).toBe(0);
    const { infotext } = readMetadata(readFileSync(work.path("a.png")), "it");
    const { fields: _, ...drawn } = parseInfotext(infotext!);
    const { modelHash: __, ...told } = drawn.settings;
    expect(settings).toMatchObject(told);
  });
});

describe("--goal", () => {
  it("says what it came to, keeps it in the picture, and --from draws the same again", async () => {
    const done = await run(
      [...quick.slice(0, 3), "--goal", "quality", "--steps", "2", "--seed", "7", "-o", "a.png"],
      work,
    );
    expect(done.code, done.stderr).toBe(0);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual([
      expect.stringMatching(/^inkling: Goal quality: 2 steps, (\d+)×\1, guidance 12\.$/),
      expect.stringMatching(/: (\d\d|1\d\d)×\1 instead of 768×768,/),
      expect.stringContaining("over-processes"),
    ]);
    const { fields } = parseInfotext(readMetadata(readFileSync(work.path("a.png")), "it").infotext!);
    expect(Object.fromEntries(fields)).toMatchObject({
      Goal: "quality",
      Steps: "2",
      "CFG scale": "12",
    });
    const again = await run(["--from", "a.png", "--model", model, "-o", "b.png", "-q"], work);
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(work.path("b.png")).equals(readFileSync(work.path("a.png")))).toBe(true);
  });

  it("that is unknown ends with 2 and the nearest name", async () => {
    const done = await run([...quick, "--goal", "qualty"], work);
    expectOneMessage(done, "qualty", "Did you mean quality?");
    expect(done.code).toBe(2);
    expect(work.files()).toEqual([]);
  });
});

describe("a config file", () => {
  const mine = (steps: number): string => `{ "goals": { "mine": { "settings": { "steps": ${steps} } } } }`;

  it("is the next one from here upwards, no further than the home folder", async () => {
    const deep = work.path("deep", "er");
    mkdirSync(deep, { recursive: true });
    expect(await goals(deep)).not.toHaveProperty("mine");
    writeFileSync(work.path("inkling.config.json"), mine(1));
    expect((await goals(deep))["mine"]).toEqual({ steps: 1 });
    expect(await goals(deep, { HOME: work.path("deep") })).not.toHaveProperty("mine");
    expect(await goals(deep, {}, "--no-config-file")).not.toHaveProperty("mine");
    writeFileSync(work.path("deep", "inkling.config.json"), mine(2));
    expect((await goals(deep))["mine"]).toEqual({ steps: 2 });
    expect((await goals(deep, {}, "--config-file", "../../inkling.config.json"))["mine"]).toEqual({ steps: 1 });
  });

  const typed = `import { type Config, defineConfig } from "inkling";
    const steps: number = 3;
    export default defineConfig({ goals: { mine: { settings: { steps } } } } satisfies Config);`;
  const plain = `import { defineConfig } from "inkling"; export default defineConfig(${mine(3)});`;

  it.each([
    ["ts", typed],
    ["mts", typed],
    ["js", plain],
    ["mjs", plain],
    ["js", `module.exports = ${mine(3)};`],
    ["json", `\ufeff${mine(3)}`],
  ])("may be inkling.config.%s", async (extension, text) => {
    mkdirSync(work.path("node_modules"));
    symlinkSync(root, work.path("node_modules", "inkling"));
    const name = `inkling.config.${extension}`;
    writeFileSync(work.path(name), text);
    expect((await goals())["mine"]).toEqual({ steps: 3 });
    expect(work.files().sort()).toEqual([name, "node_modules"]);
    expect(work.files("node_modules")).toEqual(["inkling"]);
  });

  it.each([
    ["ts", "export default { goals: ", "inkling.config.ts cannot be loaded"],
    ["ts", 'throw new Error("oops\\nand more");', "inkling.config.ts cannot be loaded: oops."],
    ["mjs", "throw 5;", "inkling.config.mjs cannot be loaded: 5."],
    ["mjs", 'import { defineConfig } from "inkling"; export default {};', "where the package is not installed"],
    [
      "ts",
      'import { defineConfig } from "inkling"; export default defineConfig({});',
      "where the package is not installed",
    ],
    ["mjs", "export const goals = {};", "default export"],
    ["json", "", "inkling.config.json cannot be loaded"],
    [
      "json",
      '{"defaults": {"devise": "cpu"}}',
      'inkling.config.json: "defaults": there is no key "devise" (Did you mean device?)',
    ],
  ])("inkling.config.%s at fault is told in one line: %s", async (extension, text, words) => {
    writeFileSync(work.path(`inkling.config.${extension}`), text);
    const done = await run([...quick, "-q"], work);
    expectOneMessage(done, words);
    expect(done.code).toBe(1);
    expect(work.files()).toHaveLength(1);
  });

  it("that is a folder is told too", async () => {
    mkdirSync(work.path("inkling.config.json"));
    expectOneMessage(await run([...quick, "-q"], work), "inkling.config");
  });
});
