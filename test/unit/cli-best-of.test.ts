/** --best-of, alone and in vary and dream, with a CLIP that likes the second of three pictures best. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Stopped } from "../../src/cli/cli.ts";
import { decodePicture, encodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-best-"));
  file = join(folder, "a.png");
});
afterEach(() => rm(folder, { recursive: true }));

const fieldsOf = async (name: string) => {
  const path = join(folder, name);
  return parseInfotext(readMetadata(await readFile(path), path).infotext!).fields;
};

it("keeps the best of each, with its seed, score and place in the file", async () => {
  const ran = await runCli(["x", "--best-of", "3", "--count", "2", "--seed", "7", "-o", file, "--clip", "mine"]);
  expect(ran).toMatchObject({ code: 0, closed: 1 });
  expect(ran.asked[0]).toMatchObject({ bestOf: 3, count: 2, clip: "mine" });
  expect(ran.stdout.trim().split("\n")).toEqual(["a-1.png", "a-2.png"].map((name) => join(folder, name)));
  expect((await readdir(folder)).sort()).toEqual(["a-1.png", "a-2.png"]);
  for (const [name, seed] of [
    ["a-1.png", "8"],
    ["a-2.png", "11"],
  ] as const) {
    const fields = await fieldsOf(name);
    expect(["Seed", "CLIP score", "CLIP", "Candidate"].map((field) => fields.get(field))).toEqual([
      seed,
      "90.00",
      "fake-clip",
      "2 of 3",
    ]);
  }
  expect(ran.stderr).toContain("picture 3/6: CLIP score 10.00\n");
  expect(ran.stderr).toContain("picture 5/6: the best of 3, seed 11, CLIP score 90.00\n");
});

it("one picture goes to stdout, by the name that it has alone", async () => {
  const ran = await runCli(["x", "--best-of", "3", "-o", "-", "--format", "png"]);
  expect(ran.code).toBe(0);
  expect(readMetadata(ran.raw, "stdout").format).toBe("png");
});

it("--keep-all keeps every candidate with its own score, and says which is best", async () => {
  const ran = await runCli(["x", "--best-of", "3", "--keep-all", "-o", file]);
  expect((await readdir(folder)).sort()).toEqual(["a-1.png", "a-2.png", "a-3.png"]);
  expect(ran.stderr).toContain(`the best: ${join(folder, "a-2.png")}\n`);
  expect((await fieldsOf("a-3.png")).get("CLIP score")).toBe("10.00");
  expect((await fieldsOf("a-3.png")).get("Candidate")).toBe("3 of 3");
});

it("--json tells every score and the best; the bar leaves the terminal as it was", async () => {
  const { stdout } = await runCli(["x", "--best-of", "3", "--json", "--seed", "1", "-o", file]);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const scores = events.filter(({ type }) => type === "score");
  expect(scores.map(({ picture, score }) => [picture, Math.round(Number(score))])).toEqual([
    [0, 50],
    [1, 90],
    [2, 10],
  ]);
  expect(events.find(({ type }) => type === "best")).toMatchObject({ picture: 1, seed: 2, candidateFor: 0, of: 3 });
  const { stderr } = await runCli(["x", "--best-of", "3", "-o", join(folder, "b.png")], { terminal: true });
  expect(stderr).toContain("the best of 3");
  expect(stderr.lastIndexOf("\x1b[?25h")).toBeGreaterThan(stderr.lastIndexOf("\x1b[?25l"));
});

it("interrupted: the best of what was finished stays, of what was not nothing", async () => {
  const controller = new AbortController();
  const running = runCli(["x", "--best-of", "3", "--count", "4", "-o", file], {
    signal: controller.signal,
    milliseconds: 2,
  });
  while (!(await readdir(folder)).includes("a-1.png")) await new Promise((done) => setTimeout(done, 5));
  controller.abort(new Stopped("interrupted", 130));
  expect(await running).toMatchObject({ code: 130, closed: 1 });
  const left = await readdir(folder);
  expect(left.length).toBeLessThan(4);
  expect(left.every((name) => /^a-\d\.png$/.test(name))).toBe(true);
});

it("dream keeps the best for each prompt, and only these on its sheet; or all of them", async () => {
  const dream = (...args: string[]) =>
    runCli(["dream", "a castle", "--prompts", "2", "--seed", "7", "--best-of", "3", "-o", `${folder}/`, ...args]);
  const ran = await dream("--clip", "mine");
  expect(ran).toMatchObject({ code: 0, closed: 1 });
  expect(ran.asked.map(({ prompt, seed, count, bestOf, clip }) => [prompt, seed, count, bestOf, clip])).toEqual([
    ["a castle, ending 1", 7, 1, 3, "mine"],
    ["a castle, ending 2", 10, 1, 3, "mine"],
  ]);
  const names = ["inkling-00001-8.png", "inkling-00002-11.png", "inkling-00003-7-sheet.png"];
  expect(ran.stdout).toBe(names.map((name) => `${join(folder, name)}\n`).join(""));
  const fields = await fieldsOf("inkling-00002-11.png");
  expect(["Beginning", "CLIP score", "Candidate"].map((field) => fields.get(field))).toEqual([
    "a castle",
    "90.00",
    "2 of 3",
  ]);
  expect(ran.stderr).toContain("picture 5/6: the best of 3, seed 11, CLIP score 90.00\n");
  const sheet = await decodePicture(await readFile(join(folder, names[2]!)), "sheet");
  // Two pictures 16 wide, with gaps of 8.
  expect(sheet.width).toBe(8 + 2 * (16 + 8));

  await rm(folder, { recursive: true });
  const all = await dream("--keep-all", "--no-sheet");
  expect((await readdir(folder)).sort()).toEqual([7, 8, 9, 10, 11, 12].map((s, i) => `inkling-0000${i + 1}-${s}.png`));
  expect(all.stderr).toContain(`the best: ${join(folder, "inkling-00005-11.png")}\n`);
});

it("dream tells of every candidate which picture it is, and the time that is left for all", async () => {
  const ran = await runCli([
    "dream",
    "a",
    "--prompts",
    "2",
    "--best-of",
    "3",
    "--json",
    "--no-sheet",
    "-o",
    `${folder}/`,
  ]);
  const events = ran.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (kind: string) => events.filter(({ type }) => type === kind);
  expect(of("score").map(({ picture, candidateFor }) => [picture, candidateFor])).toEqual(
    [0, 1, 2, 3, 4, 5].map((picture) => [picture, Math.floor(picture / 3)]),
  );
  expect(of("best").map(({ picture, candidateFor }) => [picture, candidateFor])).toEqual([
    [1, 0],
    [4, 1],
  ]);
  expect(of("saved").map(({ picture }) => picture)).toEqual([1, 4]);
  // Of the first prompt's three, then of the second's: a picture of the fake is thought to take three seconds, and takes two.
  const left = of("step").map(({ secondsLeft }) => Math.round(secondsLeft as number));
  expect(left).toEqual([14, 12, 10, 11, 10, 9, 9, 8, 7, 7, 6, 5, 5, 4, 3, 3, 2, 1]);
});

it("vary keeps the best of what is drawn from a picture, by the CLIP that is named", async () => {
  const picture = { width: 8, height: 8, data: new Uint8Array(3 * 64).fill(90) };
  await writeFile(join(folder, "from.png"), await encodePicture(picture, "png"));
  const vary = (...args: string[]) => runCli(["vary", join(folder, "from.png"), "a cat", "-o", file, ...args]);
  const ran = await vary("--best-of", "3", "--seed", "7", "--clip", "mine");
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.asked[0]).toMatchObject({ prompt: "a cat", bestOf: 3, clip: "mine" });
  expect((await readdir(folder)).sort()).toEqual(["a.png", "from.png"]);
  const fields = await fieldsOf("a.png");
  expect([fields.get("Seed"), fields.get("Candidate")]).toEqual(["8", "2 of 3"]);
  const alone = await vary("--clip", "mine", "--overwrite");
  // The captioner's alone.
  expect(alone.code, alone.stderr).toBe(0);
  expect(alone.asked[0]).not.toHaveProperty("clip");
});

it("what makes no sense is refused before anything is loaded", async () => {
  for (const args of [
    ["vary", "from.png", "--keep-all"],
    ["dream", "--keep-all"],
  ]) {
    const ran = await runCli(args);
    expectRefusal(ran, 2, "--keep-all goes with --best-of");
    expect(ran.loads).toEqual([]);
  }
  for (const [args, why] of [
    [["--keep-all"], "--keep-all goes with --best-of"],
    [["--clip", "x"], "--clip goes with --best-of"],
    [["--best-of", "0"], "from 1 to 100"],
    [["--best-of", "2", "--keep-all", "-o", "-"], "one picture"],
  ] as const) {
    const ran = await runCli(["x", ...args]);
    expectRefusal(ran, 2, why);
    expect(ran.loads).toEqual([]);
  }
});
