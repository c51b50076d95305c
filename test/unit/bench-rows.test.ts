/** How benches of pictures read what engines say, and what they refuse before anything is measured. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const bench = fileURLToPath(new URL("../../bench/", import.meta.url));
const { rowOf, cellsOf, markdown, columns } = await import(`${bench}rows.mjs`);
const { parseSdCli, peers } = await import(`${bench}peers/engines.mjs`);

const GIB = 1024;
const run = (step: number, disturbed = 0) => ({
  load_s: 2,
  encode_s: [9, 0.5],
  step_s: [step, step, step],
  decode_s: [9, 1],
  steps: 3,
  resident: 3 * GIB,
  anonymous: GIB,
  disturbed,
});

describe("rows", () => {
  it("are medians of quiet runs, with the text and the decoder of the second time", () => {
    const row = rowOf("ours", [run(1), run(50, 0.03), run(3), { ...run(2), resident: 4 * GIB }]);
    expect(row).toMatchObject({ load: 2, text: 0.5, step: 2, decode: 1, picture: 7.5, used: 3, disturbed: false });
    // A peak is a peak, whatever else happened.
    expect(row).toMatchObject({ resident: 4, anonymous: 1 });
  });

  it("are of all runs, and say so, where none was quiet", () => {
    expect(rowOf("ours", [run(1, 0.5), run(3, 0.5)])).toMatchObject({ step: 2, used: 2, disturbed: true });
  });

  it("count steps that were not taken as the median of those that were", () => {
    const part = { ...run(1), step_s: [1, 1, 4], steps: 10 };
    expect(rowOf("ours", [part]).picture).toBe(0.5 + 6 + 7 + 1);
  });

  it("stand below ours by time, with how many times as long", () => {
    const cells = cellsOf([rowOf("ours", [run(2)]), rowOf("slow", [run(5)]), rowOf("fast", [run(4)])]);
    expect(cells.map((row: string[]) => [row[0], row[6]])).toEqual([
      ["engine", "× ours"],
      ["ours", "1.00"],
      ["fast", "1.80"],
      ["slow", "2.20"],
    ]);
    expect(markdown(cells).split("\n")[2]).toBe(
      "| ours | 2.0 | 0.50 | 2.000 | 1.00 | 7.5 | 1.00 | 3.0 | 1.0 | 1 | no |",
    );
    expect(columns(cells).split("\n")[1]).toMatch(/^ours +2\.0 +0\.50 .* no$/);
  });
});

describe("stable-diffusion.cpp's words", () => {
  const said = `get_learned_condition completed, taking 0.50s
  |====| 2/2 - 1.85s/it
[INFO ] sampling completed, taking 3.70s
[INFO ] decode_first_stage completed, taking 5.82s`;

  it("become seconds", () => {
    const { encode_s, step_s, decode_s } = parseSdCli(said, { measure: 2 });
    expect([encode_s, step_s, decode_s]).toEqual([[0.5], [1.85, 1.85], [5.82]]);
  });

  it("are an error where one is missing", () => {
    expect(() => parseSdCli(said.replace("sampling", "x"), { measure: 2 })).toThrow(/sampling/);
  });
});

describe("npm run bench refuses", () => {
  const home = mkdtempSync(join(tmpdir(), "inkling-peers-"));
  const model = join(home, "models/small");
  mkdirSync(join(model, "unet"), { recursive: true });
  writeFileSync(join(model, "unet/config.json"), "{}");
  writeFileSync(join(home, "there.jsonl"), "");
  afterAll(() => rmSync(home, { recursive: true }));

  const refusal = (...args: string[]) =>
    promisify(execFile)(process.execPath, [`${bench}pictures.mjs`, ...args], {
      env: { ...process.env, PEERS_HOME: home },
    }).then(
      () => ({ code: 0, stderr: "" }),
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );

  const refusals: [what: string, args: string[], code: number, words: string][] = [
    ["an unknown peer", ["--against", "difusers"], 2, 'no peer "difusers"'],
    ["an unknown option", ["--agianst", "diffusers"], 2, "--agianst"],
    ["a size that not every engine takes", ["--size", "100"], 2, "multiples of 64"],
    ["a number that is none", ["--rounds", "x"], 2, "--rounds x"],
    ["a model that is not made yet", ["--model", "sd21"], 1, "bench:setup -- --model sd21"],
    ["a folder without a model", ["--model", home], 1, "no checkpoint folder"],
    ...Object.keys(peers).map((name): (typeof refusals)[number] => {
      return [`${name}, which is missing`, ["--against", name, "--model", "small"], 1, `${name} is not ready`];
    }),
  ];
  it.each(refusals)("%s", async (_, args, code, words) => {
    const ended = await refusal(...args);
    expect(ended.stderr).toContain(words);
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(ended.code).toBe(code);
  });
});
