import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder = "";
let file = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-from-"));
  file = join(folder, "a.png");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const infotextOf = async (path: string) => parseInfotext(readMetadata(await readFile(path), path).infotext!);

describe("--from", () => {
  const infotext =
    "a house\nNegative prompt: rain\nSteps: 9, Sampler: , CFG scale: 4.5, Seed: 77, Size: 32x48, RNG: CPU, Clip skip: 2";
  const gradient = { width: 8, height: 8, data: new Uint8Array(192).fill(90) };

  it.each(["png", "jpeg", "webp"] as const)("takes over all settings of a %s, flags win", async (format) => {
    await writeFile(file, await encodePicture(gradient, format, infotext));
    const { asked, stderr } = await runCli(["--from", file, "--steps", "4", "-o", join(folder, "b.png"), "-q"]);
    expect(stderr).toBe("");
    expect(asked[0]).toMatchObject({
      prompt: "a house",
      negativePrompt: "rain",
      steps: 4,
      guidance: 4.5,
      seed: 77,
      width: 32,
      height: 48,
      rng: "cpu",
      clipSkip: 2,
    });
  });

  it("draws the same again from what it drew", async () => {
    await runCli([
      "a house,\nby night",
      "-o",
      file,
      "--seed",
      "3",
      "--guidance",
      "2.5",
      "--rng",
      "cuda",
      "--model",
      "./m",
    ]);
    const again = await runCli(["--from", file, "--model", "./m", "-o", join(folder, "b.png")]);
    expect(again.code).toBe(0);
    expect((await infotextOf(join(folder, "b.png"))).fields).toEqual((await infotextOf(file)).fields);
    expect(await readFile(join(folder, "b.png"))).toEqual(await readFile(file));
  });

  it("takes over an overridden prediction, and tells what it cannot take over", async () => {
    await runCli(["x", "-o", file, "--prediction", "v", "--vae", "/home/me/other-vae", "--model", "m"]);
    expect((await infotextOf(file)).fields.get("VAE")).toBe("other-vae");
    const { loads, stderr } = await runCli(["--from", file, "-o", join(folder, "b.png"), "--model", "m"]);
    expect(loads[0]?.options.prediction).toBe("v_prediction");
    expect(stderr).toContain("(VAE)");
  });

  it("keeps where the prompt is from, as long as it is that prompt", async () => {
    const provenance = { Caption: "a hut", Beginning: "a", Writer: "inkdrop-gpt2", "Writer top-k": "50" };
    const said = Object.entries(provenance).map(([name, value]) => `${name}: ${value}`);
    await writeFile(file, await encodePicture(gradient, "png", `${infotext}, ${said.join(", ")}`));
    const fieldsOf = async (...args: string[]) => {
      const out = join(folder, "b.png");
      const { code } = await runCli([...args, "--from", file, "-o", out, "--overwrite", "--model", "m"]);
      expect(code).toBe(0);
      return Object.fromEntries((await infotextOf(out)).fields);
    };
    expect(await fieldsOf()).toMatchObject(provenance);
    expect(Object.keys(await fieldsOf("a tree"))).not.toContain("Caption");
  });

  it("takes another prompt and a random seed", async () => {
    await writeFile(file, await encodePicture(gradient, "png", infotext));
    const { asked } = await runCli(["a", "tree", "--from", file, "--seed", "-1", "-o", folder]);
    expect(asked[0]?.prompt).toBe("a tree");
    expect(asked[0]?.seed).toBe(1234);
  });

  it("refuses what carries no settings, is no picture, or is not there", async () => {
    await writeFile(file, await encodePicture(gradient, "png"));
    expectRefusal(await runCli(["--from", file, "-o", folder]), 1, file, "no settings");
    await writeFile(file, "GIF89a");
    expectRefusal(await runCli(["--from", file, "-o", folder]), 1, file, "GIF");
    expectRefusal(await runCli(["--from", join(folder, "none.png"), "-o", folder]), 1, "none.png", "no such file");
  });

  /** Writes a picture with `fields` added to the infotext and draws from it. */
  async function drawFrom(fields: string, ...args: string[]) {
    await writeFile(file, await encodePicture(gradient, "png", `${infotext}, ${fields}`));
    return runCli(["--from", file, "-o", folder, ...args]);
  }

  it("finds a model by its name, never by a path that a picture says", async () => {
    expect((await drawFrom("Model: inkdrop-256")).loads[0]?.model).toBe("inkdrop-256");
    // There is a folder of that name here, and one that a path leads to.
    for (const name of ["src", "./src", folder, "//host/share", '"a, b: c"', "nobody/nothing"]) {
      const refused = await drawFrom(`Model: ${name}`);
      expectRefusal(refused, 1, name.replaceAll('"', ""), "--model");
      expect(refused.loads).toEqual([]);
    }
    expect((await drawFrom("Model: src", "--model", "m")).loads[0]?.model).toBe("m");
  });

  it("notes once that the weights are others", async () => {
    const notes = ({ stderr }: { stderr: string }) => stderr.match(/weights of the hash/g)?.length ?? 0;
    const other = await drawFrom("Model hash: abcdef0123", "--count", "2");
    expect([other.code, notes(other)]).toEqual([0, 1]);
    expect(other.stderr).toMatch(/hash abcdef0123; these have 0123456789, so it may differ/);
    expect(notes(await drawFrom("Model hash: 0123456789"))).toBe(0);
    // In full, and A1111's old hash, which is another function.
    expect(notes(await drawFrom(`Model hash: 0123456789${"a".repeat(54)}`))).toBe(0);
    expect(notes(await drawFrom("Model hash: 7460a6fa"))).toBe(0);
  });

  it("takes over the overrides of the scheduler's configuration, and how the picture was decoded", async () => {
    const config = JSON.stringify(JSON.stringify({ use_karras_sigmas: true, steps_offset: 0 }));
    const { asked } = await drawFrom(`Scheduler config: ${config}, Tiled decoding: on`);
    expect(asked[0]).toMatchObject({
      schedulerConfig: { use_karras_sigmas: true, steps_offset: 0 },
      tiling: true,
    });
    for (const nonsense of ["5", "[1]", '"{"', "null"]) {
      expect((await drawFrom(`Scheduler config: ${nonsense}`)).asked[0]?.schedulerConfig).toBeUndefined();
    }
  });

  it("takes over how often the whole U-Net was run, and an option wins", async () => {
    const fields = "DeepCache: 3, DeepCache branch: 2, DeepCache from: 0.4, DeepCache late: 5";
    const drawn = { deepCache: 3, deepCacheBranch: 2, deepCacheFrom: 0.4, deepCacheLate: 5 };
    expect((await drawFrom(fields)).asked[0]).toMatchObject(drawn);
    expect((await drawFrom(fields, "--deep-cache", "1")).asked[0]).toMatchObject({ deepCache: 1 });
  });

  it("drops what was meant for the picture's sampler where another one is asked for", async () => {
    const fields = 'Sampler: DPM++ 2M SDE, Schedule type: Karras, Eta: 0.5, Scheduler config: "{\\"beta_end\\":0.01}"';
    expect((await drawFrom(fields)).asked[0]).toMatchObject({ schedule: "Karras", eta: 0.5 });
    const dropped = (await drawFrom(fields, "--sampler", "Euler")).asked[0]!;
    expect([dropped.sampler, dropped.schedule, dropped.eta, dropped.schedulerConfig]).toEqual([
      "Euler",
      undefined,
      undefined,
      undefined,
    ]);
    const kept = (await drawFrom(fields, "--sampler", "Euler a", "--schedule", "exponential")).asked[0]!;
    expect([kept.schedule, kept.eta]).toEqual(["exponential", 0.5]);
    expectRefusal(await drawFrom(fields, "--sampler", "eulr"), 2, "Did you mean");
  });

  it.each([
    ["VAE: x.safetensors, Config: other", "(VAE, Config)", []],
    ["VAE: x.safetensors, Config: other", undefined, ["--vae", "v", "--config", "c"]],
    ["Noise: batch, Batch size: 4, Batch pos: 2", "(Noise)", []],
    // A1111 draws each picture of a batch from a seed of its own.
    ["Batch size: 4, Batch pos: 2", undefined, []],
  ])("notes in one line what it cannot take over: %s", async (fields, note, args) => {
    const { code, stderr } = await drawFrom(fields, ...args);
    expect(code).toBe(0);
    const notes = stderr.split("\n").filter((line) => line.includes("not taken over"));
    expect(notes).toEqual(note ? [expect.stringContaining(note)] : []);
  });
});
