/** How the command line reads prompts: syntax, emphasis, wildcards, and what a trace says of them. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { tensorsOf } from "../../src/cli/trace.ts";
import { encodePicture } from "../../src/image/index.ts";
import type { Emphasis, ResolvedSettings } from "../../src/pipelines/index.ts";
import { extraFields, readExtra } from "../../src/pipelines/infotext-extra.ts";
import { float32, int64 } from "../../src/tensor/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

const home = process.cwd();
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-prompts-"));
  process.chdir(folder);
});
afterEach(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true, force: true });
});

describe("syntax and emphasis", () => {
  it("are settings, checked by name", async () => {
    const { asked } = await runCli(["(a:1.2)", "--prompt-syntax", "plain", "--emphasis", "no-norm"]);
    expect(asked[0]).toMatchObject({ prompt: "(a:1.2)", promptSyntax: "plain", emphasis: "no-norm" });
    expectRefusal(await runCli(["a", "--prompt-syntax", "latex"]), 2, "a1111, plain");
    expectRefusal(await runCli(["a", "--emphasis", "loud"]), 2, "original, no-norm, joined, from-empty, off");
  });

  const infotext = "(a:1.2)\nSteps: 9, Sampler: Euler, CFG scale: 4.5, Seed: 77, Size: 32x48, RNG: CPU";
  const gradient = { width: 8, height: 8, data: new Uint8Array(192).fill(90) };
  const from = async (fields: string, ...args: string[]) => {
    await writeFile("a.png", await encodePicture(gradient, "png", infotext + fields));
    return runCli(["--from", "a.png", ...args]);
  };

  it("come from a picture, and A1111's say nothing where they are its own defaults", async () => {
    expect((await from("")).asked[0]?.promptSyntax).toBeUndefined();
    expect((await from(", Emphasis: No norm")).asked[0]?.emphasis).toBe("no-norm");
    expect((await from(", Emphasis: No norm", "--emphasis", "original")).asked[0]?.emphasis).toBe("original");
    expect((await from(", Prompt syntax: plain")).asked[0]?.promptSyntax).toBe("plain");
    expect((await from(", Emphasis: None")).stderr).toContain("not taken over (Emphasis)");
  });

  test.each(["original", "no-norm", "joined", "from-empty", "off"] satisfies Emphasis[])(
    "%s is read back",
    (emphasis) => {
      const { Emphasis: said, "Prompt syntax": syntax } = extraFields({ emphasis } as ResolvedSettings);
      expect(syntax).toBeUndefined();
      const read = readExtra(new Map(said === undefined ? [] : [["Emphasis", `${said}`]]));
      expect([read.emphasis ?? "original", read.lost]).toEqual([emphasis, []]);
    },
  );
});

describe("wildcards", () => {
  const drawn = async (...args: string[]) => (await runCli([...args, "-o", "out.png", "--overwrite"])).asked[0]!;

  it("are looked for in ./wildcards, or in the folder that is named", async () => {
    await mkdir("wildcards");
    await writeFile("wildcards/color.txt", "red\n");
    expect(await (await drawn("a __color__ house")).wildcards!.names()).toEqual(["color"]);
    expect((await drawn("a house")).wildcards).toBeUndefined();
    expect(await (await drawn("a house", "-n", "__color__")).wildcards!.names()).toEqual(["color"]);
    await mkdir("other");
    expect(await (await drawn("a __color__ house", "--wildcards", "other")).wildcards!.names()).toEqual([]);
  });

  it("stand for themselves where there is no such folder, with a note; one that was named has to be there", async () => {
    const { asked, stderr } = await runCli(["a __color__ house", "-o", "out.png"]);
    expect(asked[0]!.wildcards).toBeUndefined();
    expect(stderr).toMatch(/^inkling: __name__ in a prompt stands for itself/m);
    const refused = await runCli(["a __color__ house", "--wildcards", "none"]);
    expectRefusal(refused, 1, "no folder of wildcards at none");
    expect(refused.loads).toEqual([]);
  });

  it("in the prompt of a picture were chosen when it was drawn", async () => {
    await mkdir("wildcards");
    const gradient = { width: 8, height: 8, data: new Uint8Array(192).fill(90) };
    await writeFile("a.png", await encodePicture(gradient, "png", "a __color__\nSteps: 9, Sampler: Euler, Seed: 1"));
    expect((await drawn("--from", "a.png")).wildcards).toBeUndefined();
    expect((await drawn("--from", "a.png", "--wildcards", "wildcards")).wildcards).toBeDefined();
  });
});

test("a trace holds the texts that are more than one, and weights that are not all 1", () => {
  const told = { part: 0, weight: 1, text: "" };
  const ids = int64([1, 2], [1, 2]);
  const ones = float32([1, 2], [1, 1]);
  const heavy = float32([1, 2], [1, 1.5]);
  const names = (...texts: { of: "cond" | "uncond"; until: number; weights: typeof ones }[]) =>
    Object.keys(
      tensorsOf({
        ...{ type: "tokens", cond: ids, uncond: ids, dropped: "" },
        texts: texts.map((text) => ({ ...told, ...text, ids })),
      }),
    );
  const uncond = { of: "uncond", until: 4, weights: ones } as const;
  expect(names({ of: "cond", until: 4, weights: ones }, uncond)).toEqual(["tokens.cond", "tokens.uncond"]);
  expect(names({ of: "cond", until: 4, weights: heavy }, uncond)).toEqual([
    ...["tokens.cond", "tokens.uncond", "weights.cond"],
  ]);
  expect(names({ of: "cond", until: 2, weights: ones }, { of: "cond", until: 4, weights: heavy }, uncond)).toEqual([
    ...["tokens.cond", "tokens.uncond", "tokens.cond.0.2", "tokens.cond.0.4", "weights.cond.0.4"],
  ]);
});
