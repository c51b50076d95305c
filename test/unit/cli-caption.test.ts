import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { added, replaced } from "../../src/cli/edit.ts";
import { encodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder = "";
let file = "";
let output = "";
const picture = (width: number) => ({ width, height: 8, data: new Uint8Array(3 * width * 8).fill(90) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-caption-"));
  file = join(folder, "a.png");
  output = join(folder, "out.png");
  await writeFile(file, await encodePicture(picture(8), "png"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("caption", () => {
  it("says what one picture shows, in a line", async () => {
    const { stdout, stderr, code, closed } = await runCli(["caption", file]);
    expect([stdout, stderr, code, closed]).toEqual(["a blue square, 8 wide (0)\n", "", 0, 1]);
  });

  it("names the picture where there are several, and leaves out what is none", async () => {
    const [other, broken] = [join(folder, "b.jpg"), join(folder, "c.png")];
    await writeFile(other, await encodePicture(picture(16), "jpeg"));
    await writeFile(broken, "GIF89a");
    const { stdout, stderr, code } = await runCli(["caption", file, other, broken]);
    expect(stdout).toBe(`${file}: a blue square, 8 wide (0)\n${other}: a blue square, 16 wide (0)\n`);
    expect(stderr).toMatch(/^inkling: left out: .*c\.png is a GIF[^\n]*\n$/);
    expect(code).toBe(0);
  });

  it("gives several captions with their scores, and all of it as JSON", async () => {
    const { stdout } = await runCli(["caption", file, "--count", "2"]);
    expect(stdout).toBe(" 30.13  a blue square, 8 wide (0)\n 29.13  a blue square, 8 wide (1)\n");
    const json = await runCli(["caption", file, "--count", "2", "--seed", "5", "--json"]);
    expect(JSON.parse(json.stdout)).toEqual({
      picture: file,
      captioner: "inkdrop-captioner",
      clip: "inkdrop-clip",
      seed: 5,
      captions: [
        { text: "a blue square, 8 wide (0)", score: 30.13 },
        { text: "a blue square, 8 wide (1)", score: 29.13 },
      ],
    });
    expect(JSON.parse((await runCli(["caption", file, "--json"])).stdout)).not.toHaveProperty("seed");
  });

  it("tells where there are fewer than were asked for", async () => {
    const { stdout, stderr, code } = await runCli(["caption", file, "--count", "5"]);
    expect([stdout.trimEnd().split("\n").length, code]).toEqual([3, 0]);
    expect(stderr).toBe(`inkling: ${file}: 3 different captions, not 5: a higher temperature gives more variety.\n`);
  });

  it("opens the captioner that is named", async () => {
    const { captioners } = await runCli(["caption", file, "--captioner", "c", "--clip", "d", "--threads", "2"]);
    expect(captioners).toMatchObject([{ model: "c", clip: "d", threads: 2 }]);
  });

  it("refuses what is no picture before a captioner is opened", async () => {
    await writeFile(output, "GIF89a");
    for (const [path, word] of [
      [join(folder, "none.png"), "no such file"],
      [output, "GIF"],
      [folder, "is a folder"],
    ] as const) {
      const refused = await runCli(["caption", path]);
      expectRefusal(refused, 1, path, word);
      expect(refused.captioners).toEqual([]);
    }
    const allBad = await runCli(["caption", output, output.replace("out", "*ut")]);
    expect([allBad.code, allBad.stdout]).toEqual([1, ""]);
    expectRefusal(await runCli(["caption"]), 2, "missing required argument");
    expectRefusal(await runCli(["caption", file, "--temperature", "99"]), 2, "temperature is 99");
  });
});

describe("vary", () => {
  const drawn = async (path = output) => parseInfotext(readMetadata(await readFile(path), path).infotext!);
  const own = async (prompt: string) =>
    writeFile(file, await encodePicture(picture(8), "png", `${prompt}\nSteps: 9, Sampler: DDIM, Seed: 1, Size: 8x8`));

  it("describes, edits, and draws again from the picture", async () => {
    const run = await runCli(["vary", file, "--replace", "blue=green", "--add", "with a hat", "-o", output]);
    expect(run.stderr).toContain(
      "caption: a blue square, 8 wide (0)\nprompt: a green square, 8 wide (0), with a hat\n",
    );
    expect([run.stdout, run.code]).toEqual([`${output}\n`, 0]);
    expect(run.asked[0]).toMatchObject({ prompt: "a green square, 8 wide (0), with a hat", strength: 0.7 });
    expect(run.asked[0]!.image).toMatchObject({ width: 8, height: 8 });
    const { prompt, fields } = await drawn();
    expect(prompt).toBe("a green square, 8 wide (0), with a hat");
    expect(fields.get("Caption")).toBe("a blue square, 8 wide (0)");
  });

  it("takes a picture at its own word, unless told to look", async () => {
    await own("a red house");
    const run = await runCli(["vary", file, "--add", "at night", "-o", output, "--strength", "0.3"]);
    expect(run.captioners).toEqual([]);
    expect(run.stderr).toContain("its own prompt: a red house\n");
    expect(run.asked[0]).toMatchObject({ prompt: "a red house, at night", strength: 0.3 });
    expect((await drawn()).fields.get("Original prompt")).toBe("a red house");
    const told = await runCli(["vary", file, "--describe", "-q", "-o", output, "--overwrite"]);
    expect([told.stdout, told.stderr]).toEqual([`${output}\n`, ""]);
    expect((await drawn()).prompt).toBe("a blue square, 8 wide (0)");
  });

  it("describes a picture whose own prompt is empty", async () => {
    await own("");
    expect((await runCli(["vary", file, "-o", output])).stderr).toContain("caption: a blue");
  });

  it("draws other words where they are given", async () => {
    const run = await runCli(["vary", file, "a", "cat", "-o", output]);
    expect([run.captioners, run.asked[0]!.prompt]).toEqual([[], "a cat"]);
    expect((await drawn()).fields.has("Caption")).toBe(false);
  });

  it("tells the words as JSON", async () => {
    const { stdout } = await runCli(["vary", file, "--replace", "blue=red", "-o", output, "--json"]);
    expect(JSON.parse(stdout.split("\n")[0]!)).toEqual({
      type: "words",
      source: "caption",
      text: "a blue square, 8 wide (0)",
      prompt: "a red square, 8 wide (0)",
    });
    const plan = await runCli(["vary", file, "--add", "a hat", "--dry-run", "--json"]);
    expect(JSON.parse(plan.stdout)).toMatchObject({
      settings: { prompt: "a blue square, 8 wide (0), a hat" },
      words: { source: "caption", text: "a blue square, 8 wide (0)" },
    });
    const dry = await runCli(["vary", file, "--dry-run"]);
    expect([dry.stdout, dry.loads]).toEqual([expect.stringContaining("a blue square"), []]);
  });

  it("leaves the strength of a mask alone", async () => {
    const mask = join(folder, "m.png");
    await writeFile(mask, await encodePicture({ ...picture(8), data: new Uint8Array(192).fill(255) }, "png"));
    expect((await runCli(["vary", file, "-o", output, "--mask", mask])).asked[0]!.strength).toBeUndefined();
  });

  it("lets a person at a terminal edit the words", async () => {
    // The line holds the caption; Ctrl-U empties it.
    const run = await runCli(["vary", file, "-o", output], { terminal: true, typed: "\x15a dog\r" });
    expect(run.asked[0]!.prompt).toBe("a dog");
    const kept = await runCli(["vary", file, "-o", output, "--overwrite"], { terminal: true, typed: "\r" });
    expect(kept.asked[0]!.prompt).toBe("a blue square, 8 wide (0)");
    for (const flags of [["--no-edit"], ["--add", "x"], ["-q"], ["--json"]]) {
      const { code, asked } = await runCli(["vary", file, "-o", output, "--overwrite", ...flags], {
        terminal: true,
        typed: "no\r",
      });
      expect([code, asked[0]!.prompt.slice(0, 25)]).toEqual([0, "a blue square, 8 wide (0)"]);
    }
  });

  it.each(["\x03", "\x04"])("stops at Ctrl-C and Ctrl-D in the midst of it (%j)", async (typed) => {
    const at = typed === "\x04" ? `\x15${typed}` : typed;
    const { code, loads, stderr } = await runCli(["vary", file, "-o", output], { terminal: true, typed: at });
    expect([code, loads]).toEqual([130, []]);
    expect(stderr).toContain("inkling: interrupted\n");
  });

  it("refuses before anything is opened", async () => {
    const nothing = async (code: number, args: readonly string[], ...words: string[]) => {
      const refused = await runCli(["vary", ...args]);
      expectRefusal(refused, code, ...words);
      expect([refused.captioners, refused.loads]).toEqual([[], []]);
    };
    await nothing(2, [], "missing required argument");
    await nothing(2, [file, "--init", file], "--init");
    await nothing(2, [file, "--replace", "blue"], "old=new");
    await nothing(2, [file, "--sampler", "eulr"], "Did you mean");
    await nothing(1, [join(folder, "none.png")], "no such file");
    await writeFile(output, "GIF89a");
    await nothing(1, [output], "GIF");
    await nothing(1, [file, "-o", output], "exists already");
  });

  it("loads no model for words that cannot be edited so", async () => {
    const { code, stderr, loads } = await runCli(["vary", file, "--replace", "purple=green", "-o", output]);
    expect([code, loads]).toEqual([1, []]);
    expect(stderr).toContain('"purple" cannot be replaced: it does not occur in "a blue square, 8 wide (0)".');
  });
});

describe("an edit of words", () => {
  it("replaces whole words, everywhere, in any case", () => {
    const words = "Blue eyes, a blue hat, bluebell (blue)";
    expect(replaced(words, { from: "blue", to: "green" })).toBe("green eyes, a green hat, bluebell (green)");
    expect(replaced("a  red hat", { from: "a red", to: "$& $1" })).toBe("$& $1 hat");
    expect(replaced("a lady, wearing glasses, on red", { from: ", wearing glasses", to: "" })).toBe("a lady, on red");
    expect(replaced("a lady with glasses", { from: "with glasses", to: "" })).toBe("a lady");
    expect(() => replaced("bluebell", { from: "blue", to: "x" })).toThrow("does not occur");
  });

  it("adds behind a comma", () => {
    expect(added("a cat", "at night")).toBe("a cat, at night");
    expect(added("", "at night")).toBe("at night");
    expect(added("a cat", " ")).toBe("a cat");
  });
});
