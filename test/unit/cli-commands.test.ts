import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mistakenCommand } from "../../src/cli/mistaken-command.ts";
import { commands } from "../../src/cli/registry.ts";
import { samplers, schedules } from "../../src/diffusion/registry.ts";
import { nearest } from "../../src/hub/nearest.ts";
import { encodePicture } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";
import { exists, list, path, readJson, readTensors } from "../support/fixtures.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-commands-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("help", () => {
  it.each([[[]], [["--help"]], [["help"]], [["-h"]]])("of %j tells the commands and how to draw", async (args) => {
    const { stdout, stderr, code } = await runCli(args);
    expect([stderr, code]).toEqual(["", 0]);
    for (const verb of Object.keys(commands)) expect(stdout).toMatch(new RegExp(`^  ${verb} `, "m"));
    for (const option of ["--steps", "--model", "--output", "--json"]) expect(stdout).toContain(option);
  });

  it.each(Object.keys(commands))("of %s tells its options and loads nothing", async (verb) => {
    const { stdout, code, loads } = await runCli([verb, "--help"]);
    expect(stdout).toContain(`Usage: inkling ${verb}`);
    expect([code, loads]).toEqual([0, []]);
  });

  it("names the version", async () => {
    expect((await runCli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("wrong words", () => {
  it.each([
    [["doctor", "--jsn"], "Did you mean --json?"],
    [["info"], "missing required argument"],
    [["samplers", "x"], "too many arguments"],
    [["bench", "--size", "100"], "multiple of 8"],
    [["bench", "--size", "8192"], "8 to 4096"],
    [["trace", "x", "-o", "-"], "name a file"],
  ])("%j end with 2", async (args, words) => {
    const { stderr, code } = await runCli(args);
    expect(stderr).toMatch(/^inkling: [^\n]+\n$/);
    expect(stderr).toContain(words);
    expect(code).toBe(2);
  });

  it("have a nearest right one, if it is near", () => {
    expect(nearest("Eular a", ["Euler a", "Heun"])).toBe("Euler a");
    expect(nearest("cdua", ["cpu", "cuda"])).toBe("cuda");
    expect(nearest("something else", ["Euler a", "Heun"])).toBeUndefined();
    expect(mistakenCommand("sampler", ["samplers"])).toBe("samplers");
    expect(mistakenCommand("beach", ["bench"])).toBeUndefined();
  });
});

describe("trace", () => {
  it("writes what the events carried", async () => {
    const file = join(folder, "t.safetensors");
    const { stdout, code } = await runCli(["trace", "x", "-o", file, "--seed", "5"]);
    expect([stdout, code]).toEqual([`${file}\n`, 0]);
    const tensors = readTensors(file);
    const shapes = Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, `${dtype} ${shape}`]));
    expect(shapes).toEqual({
      "tokens.cond": "int64 1,77",
      "tokens.uncond": "int64 1,77",
      "embeddings.cond": "float32 1,77,2",
      "embeddings.uncond": "float32 1,77,2",
      noise: "float32 1,4,3,2",
      timesteps: "float32 3",
      sigmas: "float32 4",
      ...Object.fromEntries(
        [0, 1, 2].flatMap((k) => [
          [`prediction.${k}`, "float32 1,4,3,2"],
          [`latents.${k}`, "float32 1,4,3,2"],
        ]),
      ),
      image: "float32 1,3,24,16",
    });
  });

  it("holds where the network was really asked, not what was announced", async () => {
    const file = join(folder, "t.safetensors");
    // Announced are three calls at 3, 2, 1 on sigmas 3, 2, 1, 0.
    await runCli(["trace", "x", "-o", file, "--steps", "5"]);
    const tensors = readTensors(file);
    for (const name of ["timesteps", "sigmas"]) expect([...tensors.get(name)!.data]).toEqual([3, 2, 1, 0, -1]);
    await runCli(["trace", "x", "-o", file, "--overwrite"]);
    expect([...readTensors(file).get("sigmas")!.data]).toEqual([3, 2, 1, 0]);
  });

  it("is written under one temporary name, the one that an exit in the midst of it takes away", async () => {
    const seen = new Set<string>();
    let over = false;
    const watch = async () => {
      while (!over) for (const name of await readdir(folder)) seen.add(name);
    };
    const watching = watch();
    const file = join(folder, "t.safetensors");
    for (let i = 0; i < 5; i++) await runCli(["trace", "x", "-o", file, "--overwrite", "-q", "--size", "512"]);
    over = true;
    await watching;
    expect([...seen].some((name) => name.endsWith(".tmp"))).toBe(true);
    for (const name of seen) expect(name).toMatch(/^(t\.safetensors|\.inkling-[0-9a-f]{16}\.tmp)$/);
  });

  it("has no uncond where there is none", async () => {
    const file = join(folder, "t.safetensors");
    await runCli(["trace", "x", "-o", file, "-q"], { uncond: false });
    expect([...readTensors(file).keys()].filter((name) => name.includes("uncond"))).toEqual([]);
  });

  it("refuses an existing file and a full disk, leaving nothing", async () => {
    const file = join(folder, "t.safetensors");
    await writeFile(file, "mine");
    expectRefusal(await runCli(["trace", "x", "-o", file]), 1, "exists already");
    expectRefusal(await runCli(["trace", "x", "-o", join(folder, "no", "t")]), 1, "does not exist");
    expect((await runCli(["trace", "x", "-o", file, "--overwrite"])).code).toBe(0);
    expect(await readdir(folder)).toEqual(["t.safetensors"]);
    expectRefusal(await runCli(["trace", "x", "-o", "/dev/full", "-q"]), 1, "/dev/full", "disk is full");
    expect((await runCli(["trace", "x", "-o", "/dev/null", "-q"])).code).toBe(0);
  });
});

it("bench ends with one line of JSON, and is a table on a terminal", async () => {
  const asked: unknown[] = [];
  const report = { steps: 4, load_s: 1, encode_s: [0.1, 0.2], step_s: [0.3, 0.5], decode_s: [0.4, 0.4] };
  const benchmark = async (...args: unknown[]) => {
    asked.push(args);
    return report;
  };
  const { stdout, code } = await runCli(
    "bench --model folder --size 64 --steps 25 --measure 2 --cfg 7.5 --threads 2 --deep-cache 3".split(" "),
    { engine: { benchmark } },
  );
  expect(JSON.parse(stdout.trimEnd().split("\n").at(-1)!)).toEqual(report);
  expect(code).toBe(0);
  expect(asked[0]).toMatchObject([
    "folder",
    { size: 64, steps: 25, measure: 2, cfg: 7.5, threads: 2, shortcuts: { deepCache: 3 } },
  ]);
  const shown = await runCli(["bench", "--steps", "4"], { engine: { benchmark }, screen: true });
  expect(shown.stdout).toMatch(/^load +1\.000 s\ntext +0\.200 s\nstep +0\.400 s +median of 2.*\n/);
  // 0.2 + 0.3 + 0.5 + two steps of 0.4 + 0.4
  expect(shown.stdout).toMatch(/picture +2\.200 s/);
  expect(JSON.parse((await runCli(["bench", "--json"], { engine: { benchmark }, screen: true })).stdout)).toEqual(
    report,
  );
});

describe("doctor", () => {
  const model = path("checkpoints", list("checkpoints").find((name) => name.startsWith("tiny-"))!);

  it("tells devices with reasons, versions, threads, memory and the model", async () => {
    const { stdout, code } = await runCli(["doctor", "--model", model]);
    for (const word of ["cpu", "works", "webgpu", "no adapter", "Node", "ONNX Runtime", "threads", "GiB", model]) {
      expect(stdout).toContain(word);
    }
    expect(code).toBe(0);
    const json = JSON.parse((await runCli(["doctor", "--model", model, "--json"])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ node: process.versions.node, model: { path: model } });
  });

  it("fails where nothing can be drawn", async () => {
    const broken = [{ device: "cpu" as const, works: false, reason: "no" }];
    const dead = await runCli(["doctor", "--model", model], { engine: { describeRuntime: async () => broken } });
    expect([dead.code, dead.stderr]).toEqual([1, expect.stringContaining("No device works")]);
    const lost = await runCli(["doctor", "--model", join(folder, "none")]);
    expect([lost.code, lost.stderr]).toEqual([1, expect.stringContaining("none")]);
    expect(lost.stdout).toContain("not found");
  });
});

describe("samplers", () => {
  it("lists every sampler and schedule of the registry, and what each can do", async () => {
    const { stdout, code } = await runCli(["samplers"]);
    const json = JSON.parse((await runCli(["samplers", "--json"])).stdout) as Record<string, { name: string }[]>;
    for (const { name } of [...samplers, ...schedules]) expect(stdout).toContain(`  ${name} `);
    expect(json["samplers"]!.map(({ name }) => name)).toEqual(samplers.map(({ name }) => name));
    expect(json["samplers"]![0]).not.toHaveProperty("class");
    expect(code).toBe(0);
  });

  it.each([
    ["--sampler", samplers.map(({ name }) => name)],
    ["--schedule", schedules.map(({ name }) => name)],
  ])("are what %s takes; a slip is told the nearest", async (option, names) => {
    for (const name of names) {
      const slip = `${name}x`;
      const { code, stderr, loads } = await runCli(["x", "-o", folder, option, slip]);
      expect([code, stderr.split("\n").length, loads]).toEqual([2, 2, []]);
      expect(stderr).toContain("Did you mean");
      const right = await runCli(["x", "-o", folder, "-q", option, name.toLowerCase()]);
      expect([right.code, right.stderr]).toEqual([0, ""]);
    }
  });
});

it("models lists every name", async () => {
  const { stdout } = await runCli(["models"]);
  const json = JSON.parse((await runCli(["models", "--json"])).stdout) as { models: { name: string }[] };
  expect(json.models.length).toBeGreaterThan(5);
  for (const { name } of json.models) expect(stdout).toContain(name);
});

describe("info", () => {
  const gradient = { width: 8, height: 8, data: new Uint8Array(192).fill(90) };

  it("of a picture tells its settings, as text and never as control", async () => {
    const file = join(folder, "a.jpg");
    await writeFile(file, await encodePicture(gradient, "jpeg", 'a \x1b[2Jcat\nSteps: 5, Seed: 1, Model: "a, b: c"'));
    const { stdout, code } = await runCli(["info", file]);
    expect(stdout).toMatch(/JPEG, 8×8/);
    expect(stdout).toMatch(/^Model +a, b: c$/m);
    expect(stdout).not.toContain("\x1b");
    expect(code).toBe(0);
    const json = JSON.parse((await runCli(["info", file, "--json"])).stdout) as Record<string, unknown>;
    expect(json).toMatchObject({ width: 8, prompt: "a \x1b[2Jcat", settings: { steps: 5, seed: 1 } });
  });

  it("of a picture without settings says so", async () => {
    const file = join(folder, "a.webp");
    await writeFile(file, await encodePicture(gradient, "webp"));
    expect((await runCli(["info", file])).stdout).toContain("no settings");
  });

  it("of every bad picture ends in one clear line", async () => {
    const cases = readJson<{ file: string; must: string }[]>("bad", "cases.json").filter(({ file }) =>
      /^png/.test(file),
    );
    for (const { file, must } of cases) {
      const { code, stderr } = await runCli(["info", path("bad", file)]);
      if (must === "reject") expect(code, file).toBe(1);
      if (code !== 0) expect(stderr).toMatch(new RegExp(`^inkling: [^\\n]*${file}[^\\n]*\\n$`));
    }
  });

  it.each(list("checkpoints").filter((name) => /^tiny/.test(name)))("of the model %s tells its parts", async (name) => {
    // A single file of a size that was never published says too little about itself.
    const alone = /^(.*)\.safetensors$/.exec(name);
    const config = alone ? ["--config", path("checkpoints", alone[1]!)] : [];
    const { stdout, stderr, code } = await runCli(["info", path("checkpoints", name), ...config]);
    expect(stdout).toMatch(/[\d,]{4,} parameters, (float|bfloat)/);
    expect([code, stderr.includes("Error")]).toEqual([0, false]);
  });

  it("of a model reads its weights for the hash once", async () => {
    const model = path("checkpoints", list("checkpoints").find((name) => exists("checkpoints", name, "unet"))!);
    const hash = async () => {
      const { stdout } = await runCli(["info", model, "--json"], { env: { HOME: folder } });
      return (JSON.parse(stdout) as { hash: string }).hash;
    };
    expect(await hash()).toMatch(/^[0-9a-f]{10}$/);
    const cache = join(folder, ".cache", "inkling", "hashes.json");
    const known = JSON.parse(await readFile(cache, "utf8")) as Record<string, string>;
    await writeFile(cache, JSON.stringify(Object.fromEntries(Object.keys(known).map((key) => [key, "f".repeat(64)]))));
    expect(await hash()).toBe("ffffffffff");
  });

  it("of what is nothing tells so", async () => {
    expect(await runCli(["info", join(folder, "none")])).toMatchObject({ code: 1, stdout: "" });
  });
});
