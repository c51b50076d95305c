import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodePicture } from "../../src/image/index.ts";
import { expectRefusal, type Ran, runCli, type World } from "../support/cli.ts";

let folder = "";
let out = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-explain-"));
  out = join(folder, "sheet.png");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const explain = (args: readonly string[], world?: World): Promise<Ran> =>
  runCli(["explain", "1", "--no-config-file", "--out", out, ...args], world);

describe("explain", () => {
  it("draws one picture, looked into, and lays it on a sheet with a map for each word that is asked for", async () => {
    const ran = await explain(["--word", "1", "--word", "1 1", "--seed", "7", "--quiet"]);
    expect(ran.stderr).toBe("");
    expect([ran.code, ran.stdout]).toEqual([0, `${out}\n`]);
    expect(ran.asked).toMatchObject([{ prompt: "1", seed: 7, count: 1, inside: true }]);
    expect([ran.closed, await readdir(folder)]).toEqual([1, ["sheet.png"]]);
    const { width, data } = await decodePicture(await readFile(out), "sheet");
    expect(width).toBe(8 + 3 * (16 + 8));
    // The left of the map was looked at for nothing, its right for the word: dark, and light.
    const brightness = (x: number): number =>
      data.subarray(3 * (12 * width + x), 3 * (12 * width + x) + 3).reduce((a, b) => a + b);
    expect(brightness(8 + 24 + 1)).toBeLessThan(brightness(8 + 24 + 14));
  });

  it("shows all words where none is named", async () => {
    const ran = await explain(["--quiet"]);
    expect(ran.code, ran.stderr).toBe(0);
    const { width, height } = await decodePicture(await readFile(out), "sheet");
    expect(Math.floor(width / 24) * Math.floor(height / 24)).toBeGreaterThan(77);
  });

  it.each([
    { args: ["--word", "eyes"], code: 1, words: ['"eyes" is not in the prompt'] },
    { args: ["--guidance", "0"], code: 2, words: ["--guidance 0"] },
    { args: ["--out", "sheet.gif"], code: 2, words: ["sheet.gif", ".png"] },
  ])("refuses $args before a step is drawn", async ({ args, code, words }) => {
    let steps = 0;
    const ran = await explain([...args, "--quiet"], { onStep: () => steps++ });
    expectRefusal(ran, code, ...words);
    expect([steps, await readdir(folder)]).toEqual([0, []]);
  });

  it("replaces no file that is there unless it is told to", async () => {
    await explain(["--quiet"]);
    expectRefusal(await explain(["--quiet"]), 1, out);
    expect((await explain(["--quiet", "--overwrite"])).code).toBe(0);
  });
});
