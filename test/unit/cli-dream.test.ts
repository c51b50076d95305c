import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Stopped } from "../../src/cli/cli.ts";
import { decodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import { expectRefusal, type Ran, runCli, type World } from "../support/cli.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-dream-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const dream = (args: string[], world?: World): Promise<Ran> =>
  runCli(["dream", ...args, "--output", `${folder}/`, "--seed", "7", "--no-config-file"], world);
const files = async () => (await readdir(folder)).sort();

describe("dream", () => {
  it("draws every prompt that is written, each to a file of its own, and all on one sheet", async () => {
    const ran = await dream(["a", "castle", "--prompts", "3", "--steps", "2"]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.writing).toMatchObject([{ beginning: "a castle", count: 3, seed: 7 }]);
    expect(ran.asked.map(({ prompt, seed, steps, count }) => [prompt, seed, steps, count])).toEqual([
      ["a castle, ending 1", 7, 2, 1],
      ["a castle, ending 2", 8, 2, 1],
      ["a castle, ending 3", 9, 2, 1],
    ]);
    const names = ["inkling-00001-7.png", "inkling-00002-8.png", "inkling-00003-9.png", "inkling-00004-7-sheet.png"];
    expect(await files()).toEqual(names);
    expect(ran.stdout).toBe(names.map((name) => `${join(folder, name)}\n`).join(""));
    for (const line of ["prompt 1/3: a castle, ending 1", "prompt 3/3: a castle, ending 3", "picture 2/3: seed 8"]) {
      expect(ran.stderr).toContain(line);
    }
    expect([ran.closed, ran.writersClosed]).toEqual([1, 1]);
    const sheet = await decodePicture(await readFile(join(folder, names[3]!)), "sheet");
    // Three pictures of 16 × 24 with gaps between, and words under them.
    expect(sheet.width).toBe(8 + 3 * (16 + 8));
    expect(sheet.height).toBeGreaterThan(8 + 24 + 8);
  });

  it("keeps the user's words and the written prompt apart in the picture", async () => {
    await dream(["a castle", "--prompts", "2", "-t", "1.3", "--top-k", "40", "--goal", "quality"]);
    const path = join(folder, "inkling-00002-8.png");
    const { prompt, fields } = parseInfotext(readMetadata(await readFile(path), path).infotext!);
    expect(prompt).toBe("a castle, ending 2");
    expect(fields.get("Seed")).toBe("8");
    const written = [...fields].filter(([key]) => /^(Beginning|Writer)/.test(key));
    expect(Object.fromEntries(written)).toEqual({
      Beginning: "a castle",
      Writer: "fake-gpt2",
      "Writer seed": "8",
      "Writer temperature": "1.3",
      "Writer top-k": "40",
      "Writer max length": "17",
    });
    const info = await runCli(["info", path]);
    expect(info.stdout).toMatch(/Beginning +a castle\n/);
    const again = await runCli(["--from", path, "-o", join(folder, "again.png")]);
    expect(again.stderr).not.toContain("will differ");
    expect(again.asked[0]).toMatchObject({ prompt: "a castle, ending 2", seed: 8 });
  });

  it("writes four prompts from nothing where nothing is asked, as many as a goal says, or as asked", async () => {
    expect((await dream([])).writing).toMatchObject([{ beginning: "", count: 4 }]);
    expect((await dream(["--goal", "fast"])).asked).toHaveLength(4);
    const creative = await dream(["--goal", "creative", "--prompts", "1"]);
    expect(creative.writing).toMatchObject([{ count: 1, temperature: 1.3 }]);
    expect(creative.stderr.match(/Goal creative/g)).toHaveLength(1);
  });

  it("says the time that is left for all pictures", async () => {
    const ran = await dream(["--prompts", "3", "--json"]);
    const events = ran.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const steps = events.filter(({ type }) => type === "step");
    expect(steps.map(({ picture }) => picture)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    // A step of the fake takes a second, a picture two.
    expect(steps.map(({ secondsLeft }) => Math.round(secondsLeft as number))).toEqual([9, 6, 3, 5, 4, 3, 3, 2, 1]);
    const of = (type: string) => events.filter((event) => event["type"] === type);
    expect(of("prompt").map(({ text, tokens }) => [text, tokens])).toEqual([
      [", ending 1", [0]],
      [", ending 2", [1]],
      [", ending 3", [2]],
    ]);
    expect(of("saved")).toHaveLength(3);
    expect(of("sheet")).toEqual([{ type: "sheet", path: join(folder, "inkling-00004-7-sheet.png") }]);
    expect(ran.stderr).toBe("");
  });

  it("says why there are fewer prompts, and fails where there are none", async () => {
    const fewer = await dream(["--prompts", "3", "-t", "0"], { endings: ["a"] });
    expect(fewer.stderr).toContain("1 of 3 prompts were written: at temperature 0");
    expect(fewer.asked).toHaveLength(1);
    expect(fewer.code).toBe(0);
    const none = await dream(["x", "-q"], { endings: [] });
    expectRefusal(none, 1, "0 of 4 prompts");
    expect(none.closed).toBe(1);
  });

  it("saves what was drawn until Ctrl-C, and their sheet", async () => {
    const controller = new AbortController();
    const world: World = { signal: controller.signal, milliseconds: 30 };
    const running = dream(["--prompts", "50"], world);
    while (!(await files()).includes("inkling-00002-8.png")) await new Promise((done) => setTimeout(done, 2));
    controller.abort(new Stopped("interrupted", 130));
    const ran = await running;
    expect(ran.code).toBe(130);
    const saved = await files();
    expect(saved.at(-1)).toMatch(/^inkling-0000\d-7-sheet\.png$/);
    expect(saved.length).toBeLessThan(8);
    expect(ran.stderr).toMatch(/inkling: interrupted\n$/);
    expect(ran.closed).toBe(1);
  });
});

describe("the sheet", () => {
  it("goes where it is told to, in the format of its name, or nowhere", async () => {
    const file = join(folder, "all.webp");
    const ran = await dream(["--prompts", "2", "--sheet", file]);
    expect(ran.stdout).toContain(`${file}\n`);
    expect((await readFile(file)).subarray(8, 12).toString()).toBe("WEBP");
    const none = await dream(["--prompts", "1", "--no-sheet"]);
    expect(none.code, none.stderr).toBe(0);
    expect((await files()).filter((name) => name.includes("sheet"))).toEqual([]);
  });

  it("lies beside numbered files", async () => {
    const ran = await runCli(["dream", "--prompts", "2", "-o", join(folder, "cat.jpg"), "--seed", "1"]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(await files()).toEqual(["cat-1.jpg", "cat-2.jpg", "cat-sheet.jpg"]);
    // One that is there is in nobody's way where none is made.
    const again = await runCli(["dream", "--prompts", "1", "--no-sheet", "-o", join(folder, "cat.jpg")]);
    expect(again.code, again.stderr).toBe(0);
  });
});

describe("what could not end well is refused before anything is written", () => {
  const untouched = (ran: Ran) => expect([ran.writing, ran.asked]).toEqual([[], []]);

  it("a sheet that is there already, or is no picture", async () => {
    await writeFile(join(folder, "s.png"), "");
    const there = await dream(["--sheet", join(folder, "s.png")]);
    expectRefusal(there, 1, "s.png exists already");
    const text = await dream(["--sheet", "sheet.txt"]);
    expectRefusal(text, 2, "sheet.txt", ".png");
    await writeFile(join(folder, "cat-sheet.png"), "");
    const beside = await runCli(["dream", "-o", join(folder, "cat.png")]);
    expectRefusal(beside, 1, "cat-sheet.png exists already");
    for (const ran of [there, text, beside]) untouched(ran);
  });

  it("stdout, a ban list that is missing, fewer candidates than prompts, settings that cannot be drawn", async () => {
    expectRefusal(await runCli(["dream", "-o", "-"]), 2, "one picture");
    expectRefusal(await dream(["--ban", "missing.txt"]), 1, "missing.txt");
    expectRefusal(await dream(["--candidates", "2"]), 2, "--candidates 2", "4 prompts");
    const settings = await dream(["--clip-skip", "99"]);
    expectRefusal(settings, 2, "clip skip is 99");
    untouched(settings);
    expect([settings.closed, settings.writersClosed]).toEqual([1, 1]);
  });

  it("a writer that cannot be opened closes the model", async () => {
    const ran = await dream([], {
      engine: { openWriter: () => Promise.reject(new InputError("There is no GPT-2 here.")) },
    });
    expectRefusal(ran, 1, "There is no GPT-2 here.");
    expect(ran.closed).toBe(1);
    untouched(ran);
  });
});

describe("write", () => {
  it("takes what a goal says where nothing else is asked", async () => {
    const fast = await runCli(["write", "a", "cat", "--goal", "fast", "--seed", "2", "--no-config-file"]);
    expect(fast.writing).toMatchObject([{ beginning: "a cat", count: 4, seed: 2 }]);
    expect(fast.stdout.split("\n")).toHaveLength(5);
    const quality = await runCli(["write", "--goal", "quality", "--max-length", "20", "--no-config-file"]);
    expect(quality.writing).toMatchObject([{ maxLength: 20 }]);
    expectRefusal(await runCli(["write", "--goal", "fats"]), 2, "fast");
  });

  it("shows scores beside the prompts: on stderr, in columns on a terminal, in JSON", async () => {
    const args = ["write", "a cat", "-c", "2", "--candidates", "4", "--seed", "1", "--no-config-file"];
    const plain = await runCli(args);
    expect(plain.stdout).toBe("a cat, ending 1\na cat, ending 2\n");
    expect(plain.stderr).toBe("inkling: closeness to the beginning 0.90, 0.80\n");
    const json = await runCli([...args, "--json"]);
    expect(
      json.stdout
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { score: number }).score),
    ).toEqual([0.9, 0.8]);
    expect(json.stderr).toBe("");
  });
});
