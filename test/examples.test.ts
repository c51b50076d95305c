/** The examples, each run as a reader would: against the built package, through its public entrances. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodePicture, parseInfotext, readMetadata } from "../src/image/index.ts";
import { path } from "./support/fixtures.ts";

const folder = fileURLToPath(new URL("../examples/", import.meta.url));
let cwd = "";
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), "inkling-examples-"));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function example(name: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(folder, name), ...args], { cwd });
  expect(stderr).toBe("");
  return stdout;
}

it("draw: a picture that carries its settings", async () => {
  const model = path("checkpoints", "tiny-sd15");
  const said = await example("draw.mjs", "a small red house", "house.png", model);
  expect(said).toMatch(/on cpu, loaded in .*\n(call \d+ of 11 at noise level .*\n){11}house\.png, drawn in/s);
  const bytes = readFileSync(join(cwd, "house.png"));
  expect((await decodePicture(bytes, "house.png")).data.length).toBeGreaterThan(0);
  const { settings } = parseInfotext(readMetadata(bytes, "house.png").infotext!);
  expect(settings).toMatchObject({ prompt: "a small red house", seed: 42, steps: 10 });
});

it("sampler: a first-order and a second-order method converge as they should", async () => {
  const said = await example("sampler.mjs");
  const errors = [...said.matchAll(/after \d+ steps: (.*)/g)].map(([, row]) =>
    Object.values(JSON.parse(row!) as Record<string, number>),
  );
  expect(errors).toHaveLength(4);
  const [euler, heun] = [errors.map((row) => row[0]!), errors.map((row) => row[1]!)];
  // Twice the steps: half the error of Euler's method, less than a quarter of Heun's.
  expect(euler[3]! / euler[2]!).toBeCloseTo(0.5, 1);
  expect(heun[3]! / heun[2]!).toBeLessThan(0.25);
  for (const row of errors) expect(row).toHaveLength(3);
});

it("graph: prints, refuses a wrong shape, and computes", async () => {
  const said = await example("graph.mjs");
  expect(said).toContain(
    "block/GroupNorm: float32[1, 4, 3] = GroupNorm(x, block.norm.weight, block.norm.bias) groups=2",
  );
  expect(said).toContain("ShapeError: Add: shapes [1, 4, 3] and [5]");
  const y = JSON.parse(/^y = (.*)$/m.exec(said)![1]!) as number[];
  // By hand: two groups of six values with mean 3.5 and variance 35/12.
  const x = [1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1];
  const want = x.map((value) => {
    const normal = (value - 3.5) / Math.sqrt(35 / 12 + 1e-5);
    return value + normal / (1 + Math.exp(-normal));
  });
  expect(y).toHaveLength(12);
  for (const [i, value] of y.entries()) expect(value).toBeCloseTo(want[i]!, 3);
});

it("write: every token with its rivals, and the prompt", async () => {
  const said = await example("write.mjs", "a castle");
  const lines = said.trimEnd().split("\n");
  const pieces = lines.slice(0, -1).map((line) => {
    const [, piece, others] = /^(".*?") \(\d+ %\) of (".*" \d+ %)$/.exec(line)!;
    expect(others!.split(" %, ").length).toBeGreaterThan(0);
    return JSON.parse(piece!) as string;
  });
  expect(pieces.length).toBeGreaterThan(1);
  expect(lines.at(-1)).toBe(`a castle${pieces.join("")}`.trimEnd());
});

it("there is a test for each, and each is short", () => {
  const names = readdirSync(folder);
  expect(names.sort()).toEqual(["draw.mjs", "graph.mjs", "sampler.mjs", "write.mjs"]);
  for (const name of names) {
    const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
    expect(lines.length, name).toBeLessThanOrEqual(40);
    for (const [, from] of lines.join("\n").matchAll(/from "(.*?)"/g)) expect(from).toMatch(/^inkling(\/\w+)?$/);
  }
});
