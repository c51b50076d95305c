import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Stopped } from "../../src/cli/cli.ts";
import { encodePicture, readPicture } from "../../src/image/index.ts";
import { type Example, isSkipped } from "../../src/training/data/dataset.ts";
import { openDataset } from "../../src/training/data/open.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-dataset-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

describe("inkling dataset", () => {
  it("lays drawings and their captions on a sheet", async () => {
    const { code, stdout, stderr, loads } = await runCli([
      "dataset",
      "--preview",
      at("sheet.png"),
      "--count",
      "6",
      "--size",
      "32",
    ]);
    expect([code, stderr, stdout, loads]).toEqual([0, "", `${at("sheet.png")}\n`, []]);
    const sheet = await readPicture(at("sheet.png"));
    expect(sheet.width).toBeGreaterThan(3 * 32);
    expect(sheet.height).toBeGreaterThan(2 * 32);
  });

  it("lists captions, the same for the same seed, and as JSON all that is known", async () => {
    const args = ["dataset", "shapes", "--count", "5", "--seed", "3", "--size", "16"];
    const { stdout } = await runCli(args);
    expect(stdout).toMatch(
      /^(an? (red|yellow|green|blue|purple|orange) (circle|square|triangle|star|cross|ring)\n){5}$/,
    );
    expect((await runCli(args)).stdout).toBe(stdout);
    expect((await runCli([...args.slice(0, -3), "4", "--size", "16"])).stdout).not.toBe(stdout);
    const lines = (await runCli([...args, "--json"])).stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatchObject({
      key: "shape-3-0",
      text: stdout.split("\n")[0],
      color: expect.any(String),
      box: expect.any(Array),
    });
  });

  it.each(["set", "set.tar"])("writes %s, which is read again as it was", async (name) => {
    const { code, stdout } = await runCli([
      "dataset",
      "--out",
      at(name),
      "--count",
      "5",
      "--size",
      "24",
      "--split",
      "heldout",
    ]);
    expect([code, stdout]).toEqual([0, `${at(name)}\n`]);
    expect(await readdir(folder)).toEqual([name]);
    const [written, asked] = [
      await openDataset(at(name)),
      await openDataset("drawings", { count: 5, size: 24, split: "heldout" }),
    ];
    expect(written.length).toBe(5);
    for (let i = 0; i < 5; i++) {
      const [a, b] = [(await written.at(i)) as Example, (await asked.at(i)) as Example];
      expect({ ...a, picture: [...a.picture.data], key: "" }).toEqual({ ...b, picture: [...b.picture.data], key: "" });
    }
    if (name.endsWith(".tar"))
      expect(execFileSync("tar", ["-tf", at(name)], { encoding: "utf8" })).toContain("000004.json");
  });

  it("looks at a folder as training will, and says what it leaves out", async () => {
    await mkdir(at("mine"));
    await writeFile(at("mine/a.png"), await encodePicture({ width: 2, height: 1, data: new Uint8Array(6) }, "png"));
    await writeFile(at("mine/b.png"), "broken");
    const { code, stdout, stderr } = await runCli(["dataset", at("mine"), "--caption", "sks cat"]);
    expect([code, stdout]).toEqual([0, "sks cat\n"]);
    expect(stderr).toMatch(/^inkling: left out: \S+b\.png is no picture[^\n]*\n$/);
    const without = await runCli(["dataset", at("mine"), "--out", at("set")]);
    expect(await readdir(folder)).toEqual(["mine"]);
    expect(without.code).toBe(1);
    expect(without.stderr).toContain(`Nothing in ${at("mine")} can be used.`);
  });

  it("refuses what cannot be, before anything is drawn", async () => {
    await writeFile(at("there.png"), "");
    await mkdir(at("full"));
    await writeFile(at("full/file"), "");
    const usage: readonly (readonly [string[], string])[] = [
      [["--preview", at("sheet.gif")], "ends in no picture format"],
      [["--kinds", "pixel,ovals"], 'there are no drawings of the kind "ovals"'],
      [["shapes", "--kinds", "pixel"], "--kinds is for drawings"],
      [[folder, "--seed", "3"], "--seed is for what is generated"],
      [["--caption", "x"], "drop --caption"],
      [["--count", "0"], "It is a whole number from 1"],
      [["--out", at("set.zip")], "neither a folder nor a .tar"],
    ];
    for (const [args, words] of usage) expectRefusal(await runCli(["dataset", ...args]), 2, words);
    expectRefusal(await runCli(["dataset", "--preview", at("there.png")]), 1, "exists already");
    expectRefusal(await runCli(["dataset", "--out", at("full")]), 1, "has files in it");
    expectRefusal(await runCli(["dataset", "--out", at("there.png/x")]), 1, "there.png");
    expectRefusal(await runCli(["dataset", at("missing")]), 1, "there is no such folder");
    expectRefusal(await runCli(["dataset", at("missing.tar")]), 1, "there is no such file");
  });

  it.each(["set", "set.tar"])("leaves nothing of %s behind when it is interrupted", async (name) => {
    const stop = new AbortController();
    const running = runCli(["dataset", "--out", at(name), "--count", "100000", "--size", "16"], {
      signal: stop.signal,
    });
    while ((await readdir(folder)).length === 0) await new Promise((done) => setTimeout(done, 5));
    await new Promise((done) => setTimeout(done, 100));
    stop.abort(new Stopped("stopped", 130));
    expect((await running).code).toBe(130);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("openDataset", () => {
  it("takes no more than are asked for", async () => {
    await runCli(["dataset", "shapes", "--out", at("set"), "--count", "4", "--size", "16"]);
    const dataset = await openDataset(at("set"), { count: 2 });
    expect(dataset.length).toBe(2);
    expect(isSkipped(await dataset.at(1))).toBe(false);
    expect((await openDataset(at("set"), { count: 9 })).length).toBe(4);
  });
});
