/** score, rank and search, with a CLIP that sees colours. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Stopped } from "../../src/cli/cli.ts";
import { quickPng } from "../../src/image/index.ts";
import { expectRefusal, fakeClip, runCli, type World } from "../support/cli.ts";

const colours = { red: [250, 10, 10], green: [10, 250, 10], blue: [10, 10, 250], pink: [250, 120, 120] } as const;

let folder: string;
let world: World;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-judge-"));
  world = { env: { XDG_CACHE_HOME: join(folder, ".cache") } };
  for (const name of Object.keys(colours)) await paint(join(folder, `${name}.png`), name as keyof typeof colours);
});
afterEach(() => rm(folder, { recursive: true }));

async function paint(path: string, colour: keyof typeof colours): Promise<void> {
  const data = Uint8Array.from({ length: 3 * 16 }, (_, i) => colours[colour][i % 3]!);
  await writeFile(path, quickPng({ width: 4, height: 4, data }));
}

const at = (...names: string[]): string[] => names.map((name) => join(folder, name));
const names = (stdout: string): string[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => line.split("/").at(-1)!);

describe("score", () => {
  it("one text: its score; several: also how the belief divides", async () => {
    const [red] = at("red.png");
    const one = await runCli(["score", red!, "something red"]);
    expect(one).toMatchObject({ code: 0, stderr: "", closed: 1 });
    expect(one.stdout).toMatch(/^ 99\.\d\d {2}something red\n$/);
    const two = await runCli(["score", red!, "something red", "something blue"]);
    expect(two.stdout).toMatch(/^ 99\.\d\d {2}100\.0 % {2}something red\n +5\.\d\d {4}0\.0 % {2}something blue\n$/);
    const json = JSON.parse((await runCli(["score", red!, "red", "blue", "--json", "--clip", "x"])).stdout);
    expect(json).toMatchObject({ picture: red, clip: "fake-clip", scores: [{ text: "red" }, { text: "blue" }] });
    expect(json.scores[0].probability + json.scores[1].probability).toBeCloseTo(1, 9);
    expect((await runCli(["score", red!, "red", "--clip", "x"])).clips[0]?.model).toBe("x");
  });

  it("what is no picture or says nothing is refused before CLIP is opened", async () => {
    const [red, gone, text] = at("red.png", "gone.png", "words.txt");
    await writeFile(text!, "a red apple");
    const refused: [string[], number, string][] = [
      [[gone!, "red"], 1, "no such file"],
      [[folder, "red"], 1, "is a folder"],
      [[text!, "red"], 1, "is no picture"],
      [[red!, " "], 2, "words are empty"],
      [[red!], 2, "words"],
    ];
    for (const [args, code, why] of refused) {
      const ran = await runCli(["score", ...args]);
      expectRefusal(ran, code, why);
      expect(ran.clips).toEqual([]);
    }
    expectRefusal(await runCli(["score", red!, "red", "--device", "cuba"]), 2, "Did you mean cuda?");
  });
});

describe("rank", () => {
  it("the best first; --top and --json", async () => {
    const files = at("blue.png", "pink.png", "red.png");
    const ran = await runCli(["rank", ...files, "a red thing"]);
    expect(names(ran.stdout)).toEqual(["red.png", "pink.png", "blue.png"]);
    expect(ran.stdout).toMatch(/^ 99\.\d\d {2}\//);
    expect(names((await runCli(["rank", ...files, "blue", "--top", "1"])).stdout)).toEqual(["blue.png"]);
    const { text, pictures } = JSON.parse((await runCli(["rank", ...files, "blue", "--json"])).stdout);
    expect(text).toBe("blue");
    expect(pictures.map(({ score }: { score: number }) => score)).toEqual(
      pictures.map(({ score }: { score: number }) => score).sort((a: number, b: number) => b - a),
    );
  });

  it("patterns that the shell left alone are filled in, and a file counts once", async () => {
    const ran = await runCli(["rank", join(folder, "*e*.png"), ...at("red.png"), "green"]);
    expect(names(ran.stdout).sort()).toEqual(["blue.png", "green.png", "red.png"]);
    expectRefusal(await runCli(["rank", join(folder, "*.webp"), "green"]), 1, "No picture matches");
  });

  it("what cannot be read is named and left out; the rest is ranked", async () => {
    await writeFile(
      join(folder, "cut.png"),
      quickPng({ width: 1, height: 1, data: new Uint8Array(3) }).subarray(0, 40),
    );
    const ran = await runCli(["rank", ...at("cut.png", "red.png"), "red"]);
    expect(ran.code).toBe(0);
    expect(names(ran.stdout)).toEqual(["red.png"]);
    expect(ran.stderr).toMatch(/^inkling: left out: .*cut\.png is a damaged PNG.*\n$/);
    const alone = await runCli(["rank", ...at("cut.png"), "red"]);
    expect(alone).toMatchObject({ code: 1, stdout: "" });
  });

  it("wrong usage is told before CLIP is opened", async () => {
    const refused: [string[], number, string][] = [
      [["red"], 2, "pictures, then words"],
      [at("red.png", "blue.png"), 2, "the words come last"],
      [[folder, "red"], 1, "inkling search"],
      [[...at("gone.png"), "red"], 1, "no such file"],
      [[...at("red.png"), ""], 2, "empty"],
      [[...at("red.png"), "red", "--top", "0"], 2, "from 1 to"],
    ];
    for (const [args, code, why] of refused) {
      const ran = await runCli(["rank", ...args]);
      expectRefusal(ran, code, why);
      expect(ran.clips).toEqual([]);
    }
  });
});

describe("search", () => {
  it("looks into folders, and by words or by an example, which does not find itself", async () => {
    await mkdir(join(folder, "deep", "er"), { recursive: true });
    await paint(join(folder, "deep", "er", "red2.png"), "red");
    await writeFile(join(folder, "notes.txt"), "red");
    const ran = await runCli(["search", folder, "something", "red"], world);
    expect(ran).toMatchObject({ code: 0, stderr: "", closed: 1 });
    expect(new Set(names(ran.stdout).slice(0, 2))).toEqual(new Set(["red.png", "red2.png"]));
    expect(names(ran.stdout).length).toBe(5);
    const like = await runCli(["search", folder, "--like", join(folder, "red.png"), "--top", "2"], world);
    expect(names(like.stdout)).toEqual(["red2.png", "pink.png"]);
    const json = JSON.parse((await runCli(["search", folder, "red", "--json", "--top", "1"], world)).stdout);
    expect(json).toMatchObject({ folder, text: "red", clip: "fake-clip", searched: 5, skipped: [] });
  });

  it("looks at what is new alone, and forgets what is gone", async () => {
    expect((await runCli(["search", folder, "red"], world)).seen).toBe(4);
    const again = await runCli(["search", folder, "blue"], world);
    expect(again.seen).toBe(0);
    expect(names(again.stdout)[0]).toBe("blue.png");
    await paint(join(folder, "green.png"), "blue");
    await utimes(join(folder, "green.png"), 1, 1);
    await rm(join(folder, "pink.png"));
    const changed = await runCli(["search", folder, "blue"], world);
    expect(changed.seen).toBe(1);
    expect(new Set(names(changed.stdout).slice(0, 2))).toEqual(new Set(["blue.png", "green.png"]));
    const caches = await readdir(join(folder, ".cache", "inkling", "embeddings"));
    expect(caches.length).toBe(1);
    // A damaged cache is made anew.
    await writeFile(join(folder, ".cache", "inkling", "embeddings", caches[0]!), "nonsense");
    expect((await runCli(["search", folder, "red"], world)).seen).toBe(3);
    expect((await runCli(["search", folder, "red"], world)).seen).toBe(0);
  });

  it("a cache that cannot be written is no failure", async () => {
    const env = { XDG_CACHE_HOME: join(folder, "red.png") };
    expect(await runCli(["search", folder, "red"], { env })).toMatchObject({ code: 0, stderr: "", seen: 4 });
  });

  it("interrupted: what was seen is kept, no half-written file stays", async () => {
    for (let i = 0; i < 20; i++) await paint(join(folder, `more-${i}.png`), "green");
    const controller = new AbortController();
    const engine = {
      openClip: async () => {
        const clip = fakeClip();
        let batches = 0;
        return {
          ...clip,
          embedPictures: async (pictures: Parameters<typeof clip.embedPictures>[0]) => {
            if (batches++ === 1) controller.abort(new Stopped("interrupted", 130));
            controller.signal.throwIfAborted();
            return await clip.embedPictures(pictures);
          },
        };
      },
    };
    const ran = await runCli(["search", folder, "red"], { ...world, engine, signal: controller.signal });
    expect(ran).toMatchObject({ code: 130, stdout: "", stderr: "inkling: interrupted\n" });
    expect(await readdir(join(folder, ".cache", "inkling", "embeddings"))).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}\.safetensors$/),
    ]);
    expect((await runCli(["search", folder, "red"], world)).seen).toBe(16);
  });

  it("a bar on a terminal, which is left as it was", async () => {
    const { stderr } = await runCli(["search", folder, "red"], { ...world, terminal: true });
    expect(stderr).toContain("looking at pictures");
    expect(stderr.lastIndexOf("\x1b[?25h")).toBeGreaterThan(stderr.lastIndexOf("\x1b[?25l"));
    expect((await runCli(["search", folder, "red", "--quiet"], { terminal: true })).stderr).toBe("");
  });

  it("what makes no sense is refused", async () => {
    await mkdir(join(folder, "empty"));
    const refused: [string[], number, string][] = [
      [[folder], 2, "words, or a picture"],
      [[folder, "red", "--like", join(folder, "red.png")], 2, "both were given"],
      [[folder, "--like", join(folder, "gone.png")], 1, "no such file"],
      [[join(folder, "empty"), "red"], 1, "no picture in"],
      [[join(folder, "gone"), "red"], 1, "no such folder"],
      [[join(folder, "red.png"), "red"], 1, "it is a file"],
    ];
    for (const [args, code, why] of refused) expectRefusal(await runCli(["search", ...args], world), code, why);
  });
});
