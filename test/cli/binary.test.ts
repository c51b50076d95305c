/** The built command, run as people run it: what it prints, what it leaves on the disk, and how it ends. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodePicture, readMetadata } from "../../src/image/index.ts";
import { byteWidth, type Tensor } from "../../src/tensor/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../../src/weights/index.ts";
import { ends, type Finished, inferenceProcess, run, start } from "../support/binary.ts";
import { path } from "../support/fixtures.ts";

const model = path("checkpoints", "tiny-sd15");
/** A picture in two seconds. */
const quick = ["a small red house", "--model", model, "--size", "64", "--steps", "2", "--seed", "7"];
/** One that nobody would wait for. */
const endless = ["a small red house", "--model", model, "--size", "128", "--steps", "990"];
const UNET = "unet/diffusion_pytorch_model.safetensors";
const VAE = "vae/diffusion_pytorch_model.safetensors";
const TEXT = "text_encoder/model.safetensors";

/** The working folder of each test; the folder above it is its home. */
let cwd = "";
beforeEach(() => {
  cwd = join(mkdtempSync(join(tmpdir(), "inkling-binary-")), "work");
  mkdirSync(cwd);
});
afterEach(() => rmSync(dirname(cwd), { recursive: true, force: true }));

/** What lies in the working folder. */
const files = (...parts: string[]): string[] => readdirSync(join(cwd, ...parts));

/** Expects a single line that begins with the command's name and holds `words`; returns it. */
function expectOneMessage({ said, stdout }: Finished, ...words: string[]): string {
  expect(said, "lines on stderr").toHaveLength(1);
  expect(said[0]).toMatch(/^inkling: /);
  for (const word of words) expect(said[0]).toContain(word);
  expect(said[0]).not.toMatch(/INKLING_DEBUG|undefined|\[object|^\s+at /);
  expect(stdout).toBe("");
  return said[0]!;
}

describe("a picture", () => {
  it("is saved, its path told on stdout, the way to it on stderr", async () => {
    const done = await run(quick, { cwd });
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe("inkling-00001-7.png\n");
    expect(files()).toEqual(["inkling-00001-7.png"]);
    for (const part of ["loaded in", "seed 7", "step 3/3", "decoding", "drawn in"]) expect(done.stderr).toContain(part);
    const { width, height } = await decodePicture(readFileSync(join(cwd, files()[0]!)), "it");
    expect([width, height]).toEqual([64, 64]);
  });

  it("goes to stdout with -o -, and nothing else does", async () => {
    const done = await run([...quick, "-o", "-"], { cwd });
    expect(done.code, done.stderr).toBe(0);
    expect(done.bytes.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
    expect(done.bytes.subarray(-12).toString("latin1")).toContain("IEND");
    expect((await decodePicture(done.bytes, "stdout")).width).toBe(64);
    expect(files()).toEqual([]);
  });

  it("is repeated bit for bit by --from", async () => {
    const settings = ["--sampler", "Euler a", "--schedule", "karras", "--negative", "rain, (fog)", "--guidance", "5"];
    expect((await run([...quick, ...settings, "-o", "first.png"], { cwd })).code).toBe(0);
    const again = await run(["--from", "first.png", "-o", "again.png"], { cwd });
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(join(cwd, "again.png")).equals(readFileSync(join(cwd, "first.png")))).toBe(true);
    const other = await run(["--from", "first.png", "--seed", "8", "-o", "other.png"], { cwd });
    expect(other.code, other.stderr).toBe(0);
    expect(readFileSync(join(cwd, "other.png")).equals(readFileSync(join(cwd, "first.png")))).toBe(false);
  });

  it("is told as one JSON object a line with --json", async () => {
    const done = await run([...quick, "--json", "--count", "2"], { cwd });
    expect(done.code, done.stderr).toBe(0);
    const lines = done.stdout.trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const count = (type: string): number => events.filter((event) => event["type"] === type).length;
    expect(
      Object.fromEntries(["model", "start", "step", "decode", "image", "saved"].map((t) => [t, count(t)])),
    ).toEqual({ model: 1, start: 2, step: 6, decode: 2, image: 2, saved: 2 });
    const saved = events.filter((event) => event["type"] === "saved").map((event) => event["path"]);
    expect(saved).toEqual(["inkling-00001-7.png", "inkling-00002-8.png"]);
    expect(files()).toEqual(saved);
    expect(done.stderr).toBe("");
  });

  it("can be asked for without a prompt, with a note", async () => {
    const done = await run(["", ...quick.slice(1)], { cwd });
    expect(done.code, done.stderr).toBe(0);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual([expect.stringContaining("empty")]);
    expect(files()).toHaveLength(1);
  });

  it("can be asked for in 10,000 words, with one note about those that do not fit", async () => {
    const words = Array.from({ length: 10_000 }, (_, i) => `word${i}`).join(" ");
    const done = await run([words, ...quick.slice(1), "-o", "long.png"], { cwd });
    expect(done.code, done.stderr).toBe(0);
    const notes = done.said.filter((line) => line.startsWith("inkling: "));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/longer than the model reads: its last \d+ words .* dropped/);
    expect(readMetadata(readFileSync(join(cwd, "long.png")), "it").infotext).toContain(words);
  });
});

describe("called wrongly: exit code 2, one message, nothing drawn", () => {
  const cases: readonly [name: string, args: readonly string[], ...words: string[]][] = [
    ["an unknown option", [...quick, "--step", "3"], "--step", "Did you mean --steps"],
    ["an unknown sampler", [...quick, "--sampler", "eulr a"], "eulr a", 'Did you mean "Euler a"'],
    ["an unknown schedule", [...quick, "--schedule", "karas"], "karas", 'Did you mean "Karras"'],
    ["an unknown device", [...quick, "--device", "webgp"], "webgp", "Did you mean webgpu"],
    ["a mistyped command", ["samplrs"], "samplrs", "Did you mean samplers"],
    ["no step at all", [...quick, "--steps", "0"], "--steps", "from 1 to 1000"],
    ["a thousand million steps", [...quick, "--steps", "1e9"], "--steps", "from 1 to 1000"],
    ["half a step", [...quick, "--steps", "2.5"], "--steps", "whole number"],
    ["a side that 8 does not divide", [...quick, "--size", "100x64"], "100", "96 or 104"],
    ["no width", [...quick, "--size", "0"], "multiples of 8"],
    ["a side beyond measure", [...quick, "--size", "100000"], "4096"],
    ["a guidance that is no number", [...quick, "--guidance", "high"], "--guidance", "number"],
    ["a schedule that the sampler does not walk", [...quick, "--sampler", "DDIM", "--schedule", "karras"], "Karras"],
    ["no prompt", ["--steps", "3"], "no prompt"],
    ["several pictures on stdout", [...quick, "--count", "2", "-o", "-"], "one picture"],
    ["JSON and a picture on stdout", [...quick, "--json", "-o", "-"], "--json"],
    ["a name that is no picture's", [...quick, "-o", "house.txt"], "house.txt"],
  ];
  it.each(cases)("%s", async (_, args, ...words) => {
    const done = await run(args, { cwd });
    expectOneMessage(done, ...words);
    expect(done.code).toBe(2);
    expect(files()).toEqual([]);
  });
});

describe("places that cannot be written: exit code 1 before anything is drawn", () => {
  it("a file that is there already stays as it is", async () => {
    writeFileSync(join(cwd, "mine.png"), "mine");
    const done = await run([...quick, "-o", "mine.png"], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, "mine.png", "exists already");
    expect(readFileSync(join(cwd, "mine.png"), "utf8")).toBe("mine");
    expect((await run([...quick, "--quiet", "--overwrite", "-o", "mine.png"], { cwd })).code).toBe(0);
    expect(readFileSync(join(cwd, "mine.png")).length).toBeGreaterThan(1000);
    expect(files()).toEqual(["mine.png"]);
  });

  it("a folder that is not there", async () => {
    const done = await run([...quick, "-o", "no/such/house.png"], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, "no/such", "does not exist");
  });

  it("a folder that is a file", async () => {
    writeFileSync(join(cwd, "file"), "");
    const done = await run([...quick, "-o", "file/house.png"], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, "file/house.png");
  });

  it("a folder that may not be written", async () => {
    // Permissions mean nothing to root; a disk that is mounted read-only does.
    mkdirSync(join(cwd, "locked"));
    const done = await run([...quick, "-o", "locked/house.png"], { cwd, within: tmpfs("locked", "ro") });
    expect(done.code).toBe(1);
    expectOneMessage(done, "locked", "read-only disk");
  });

  it("a disk that is full", async () => {
    mkdirSync(join(cwd, "full"));
    const done = await run([...quick, "-o", "full/"], { cwd, within: tmpfs("full", "size=64k") });
    expect(done.code).toBe(1);
    expectOneMessage(done, "full", "Make room");
  });
});

/** Words that run a command with a small disk mounted at `folder`, seen by that command alone. */
function tmpfs(folder: string, option: string): string[] {
  const script = `mount -t tmpfs -o "${option}" tmpfs "${folder}" || exit 99; exec "$@"`;
  return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
}

describe("places that fail while the picture is drawn: exit code 1, one message, no half file", () => {
  it("a disk that fills up", async () => {
    mkdirSync(join(cwd, "small"));
    const args = [...endless.slice(0, 5), "--steps", "60", "--seed", "1", "-o", "small/"];
    const running = start(args, { cwd, within: tmpfs("small", "size=512k") });
    const disk = `/proc/${running.child.pid}/root${cwd}/small`;
    await running.until("step 1/");
    expect(() => writeFileSync(join(disk, "other"), new Uint8Array(2 ** 20))).toThrow("ENOSPC");
    await running.until("cannot be written");
    // The disk is there as long as the command is.
    expect(existsSync(disk) ? readdirSync(disk) : ["other"]).toEqual(["other"]);
    const done = await running.finished;
    expect(done.code).toBe(1);
    const messages = done.said.filter((line) => line.startsWith("inkling: "));
    expect(messages).toEqual([
      expect.stringMatching(/small\/inkling-00001-1\.png cannot be written: the disk is full/),
    ]);
  });

  it("a limit on the length of files", async () => {
    // In blocks of 512 bytes: the probe of the folder passes, the picture does not.
    const within = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh"];
    const done = await run([...quick, "--quiet"], { cwd, within });
    expect(done.code).toBe(1);
    expectOneMessage(done, "inkling-00001-7.png", "larger than is allowed");
    expect(files()).toEqual([]);
  });

  it("a stdout that is full", async () => {
    const within = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];
    const done = await run([...quick, "--quiet", "-o", "-"], { cwd, within });
    expect(done.code).toBe(1);
    expectOneMessage(done, "stdout", "no space left");
  });

  it("a stdout that is full, for a table or a path", async () => {
    for (const args of [["samplers"], [...quick, "--quiet"]]) {
      const done = await run(args, { cwd, within: ["sh", "-c", 'exec "$@" > /dev/full', "sh"] });
      expect(done.code).toBe(1);
      expectOneMessage(done, "stdout", "no space left");
    }
  });

  it("a reader that went away: no word, the shell's code", async () => {
    const within = ["sh", "-c", '{ "$@"; echo "code $?" >&2; } | true', "sh"];
    const done = await run([...quick, "--quiet", "-o", "-"], { cwd, within });
    expect(done.said).toEqual(["code 141"]);
  });
});

describe("interrupted: exit code 130, one message, no file and no process left", () => {
  it("during a step", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], { cwd });
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.interrupt();
    const asked = performance.now();
    const done = await running.finished;
    expect(performance.now() - asked).toBeLessThan(3000);
    expect(done.code).toBe(130);
    expect(done.said).toEqual(["inkling: interrupted"]);
    expect(files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  // The inference process starts, reads the library, then builds one network after another.
  it.each([0, 100, 250, 500, 900])("%i ms into the load", async (ms) => {
    const running = start([...endless, "--quiet", "-o", "pictures/"], { cwd });
    const host = await inferenceProcess(running);
    await sleep(ms);
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(done.said).toEqual(["inkling: interrupted"]);
    expect(files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it("by a second Ctrl-C at once", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], { cwd });
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.interrupt();
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it("by SIGTERM: 143", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], { cwd });
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.child.kill("SIGTERM");
    const done = await running.finished;
    expect(done.code).toBe(143);
    expect(done.said).toEqual(["inkling: terminated"]);
    expect(files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it("by SIGKILL: the inference process ends by itself", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], { cwd });
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.child.kill("SIGKILL");
    await running.finished;
    expect(await ends(host)).toBe(true);
    expect(files("pictures")).toEqual([]);
  });

  it("during a trace", async () => {
    const running = start(["trace", ...endless, "-o", "t.safetensors"], { cwd });
    await running.until("step 1/");
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual(["inkling: interrupted"]);
    expect(files()).toEqual([]);
  });
});

it("says so when the inference process is killed, as a system short of memory does", async () => {
  const running = start([...endless, "--json", "-o", "pictures/"], { cwd });
  await running.until('"type":"step"');
  process.kill(await inferenceProcess(running), "SIGKILL");
  const done = await running.finished;
  expect(done.code).toBe(1);
  expect(done.said).toHaveLength(1);
  expect(done.said[0]).toMatch(/^inkling: .*SIGKILL.*memory/);
  expect(files("pictures")).toEqual([]);
});

describe("damaged weights: exit code 1, one message that names the file, never a picture", () => {
  const broken = (...parts: string[]): string => join(cwd, "broken", ...parts);

  async function expectNamed(...words: string[]): Promise<void> {
    const args = ["a house", "--model", "broken", "--size", "64", "--steps", "2", "--quiet", "-o", "pictures/"];
    const done = await run(args, { cwd });
    expect(done.code, done.stderr).toBe(1);
    expectOneMessage(done, ...words);
    expect(files("pictures")).toEqual([]);
  }

  /** Rewrites a weight file of the copy with some of its tensors changed; undefined takes one out. */
  async function change(file: string, edit: (tensors: Record<string, Tensor>) => void): Promise<void> {
    const { tensors: stored } = await readSafetensors(broken(file));
    const tensors: Record<string, Tensor> = {};
    for (const [name, tensor] of stored) tensors[name] = await readTensor(tensor);
    edit(tensors);
    rmSync(broken(file));
    await writeSafetensors(broken(file), tensors);
  }

  // Fixtures that repeat are links to each other: what is damaged here must be copies.
  beforeEach(() => cpSync(model, broken(), { recursive: true, dereference: true }));

  it.each([UNET, VAE, TEXT])("%s is missing", async (file) => {
    rmSync(broken(file));
    await expectNamed(file.slice(0, file.indexOf("/")));
  });

  it.each([UNET, VAE, TEXT])("%s ends too early", async (file) => {
    const bytes = readFileSync(broken(file));
    writeFileSync(broken(file), bytes.subarray(0, bytes.length - 1000));
    await expectNamed(file.slice(file.indexOf("/") + 1));
  });

  it.each([
    ["empty", Buffer.alloc(0)],
    ["text", Buffer.from("<!DOCTYPE html><title>Sign in</title>")],
    ["a pickle", Buffer.from("\x80\x02}q\x00.", "latin1")],
    ["noise", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256))],
  ])("the U-Net's file is %s", async (_, bytes) => {
    writeFileSync(broken(UNET), bytes);
    await expectNamed("diffusion_pytorch_model.safetensors");
  });

  it("a tensor is missing", async () => {
    await change(UNET, (tensors) => delete tensors["conv_in.weight"]);
    await expectNamed(UNET, "conv_in.weight");
  });

  it("a tensor has another shape", async () => {
    await change(UNET, (tensors) => {
      const { dtype, shape, data } = tensors["conv_in.weight"]!;
      tensors["conv_in.weight"] = { dtype, shape: [shape[1]!, shape[0]!, ...shape.slice(2)], data } as Tensor;
    });
    await expectNamed(UNET, "conv_in.weight");
  });

  it("the configuration is of another size", async () => {
    const config = JSON.parse(readFileSync(broken("unet/config.json"), "utf8")) as { block_out_channels: number[] };
    config.block_out_channels = config.block_out_channels.map((c) => 2 * c);
    writeFileSync(broken("unet/config.json"), JSON.stringify(config));
    await expectNamed(UNET);
  });

  it("the configuration is no JSON", async () => {
    writeFileSync(broken("unet/config.json"), "{");
    await expectNamed(join("unet", "config.json"));
  });

  const poisons: readonly [file: string, tensor: string, value: number][] = [
    [UNET, "conv_out.bias", Number.NaN],
    [UNET, "conv_in.weight", Number.POSITIVE_INFINITY],
    [VAE, "decoder.conv_in.weight", Number.NaN],
    [TEXT, "text_model.final_layer_norm.bias", Number.NaN],
  ];
  it.each(poisons)("%s holds in %s a %d", async (file, name, value) => {
    await change(file, (tensors) => {
      const tensor = tensors[name]!;
      expect(byteWidth(tensor.dtype)).toBe(4);
      (tensor.data as Float32Array)[1] = value;
    });
    await expectNamed(file, name, Number.isNaN(value) ? "NaN" : "infinity");
  });

  it("a picture of zeros is no PNG to start from", async () => {
    writeFileSync(join(cwd, "zeros.png"), new Uint8Array(1000));
    const done = await run(["--from", "zeros.png"], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, "zeros.png");
  });

  it.each([
    ["a name", ["--model", "sd2.11"], "sd2.1"],
    ["a path", ["--model", "./nowhere"], "nowhere"],
    ["a model that is not here", ["--model", "sd2.1"], "nothing is downloaded"],
  ])("%s that leads nowhere", async (_, args, word) => {
    const done = await run(["a house", ...args], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, word);
  });
});

it("a device that does not work is named with its reason", async () => {
  const { devices } = JSON.parse((await run(["doctor", "--json"], { cwd })).stdout) as {
    devices: { device: string; works: boolean }[];
  };
  for (const { device } of devices.filter(({ works }) => !works)) {
    const done = await run([...quick, "--quiet", "--device", device], { cwd });
    expect(done.code).toBe(1);
    expectOneMessage(done, `The device ${device} does not work here`, "cpu");
    expect(files()).toEqual([]);
  }
});

describe("the other commands", () => {
  it("--version and --help", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    const [shown, help, none] = await Promise.all([["--version"], ["--help"], []].map((args) => run(args, { cwd })));
    expect([shown!.code, shown!.stdout]).toEqual([0, `${version}\n`]);
    expect(help!.code).toBe(0);
    for (const word of ["generate", "info", "samplers", "models", "doctor", "trace", "bench", "--steps"]) {
      expect(help!.stdout).toContain(word);
    }
    expect([none!.code, none!.stdout]).toEqual([0, help!.stdout]);
  });

  it("info tells a picture's settings and a model's parts", async () => {
    await run([...quick, "-o", "house.png"], { cwd });
    const picture = await run(["info", "house.png", "--json"], { cwd });
    expect(picture.code, picture.stderr).toBe(0);
    expect(JSON.parse(picture.stdout)).toMatchObject({
      format: "png",
      width: 64,
      prompt: quick[0],
      settings: { seed: 7, steps: 2, width: 64, height: 64 },
    });
    const parts = await run(["info", model], { cwd });
    expect(parts.code, parts.stderr).toBe(0);
    for (const word of ["unet", "text encoder", "vae", "parameters"]) expect(parts.stdout).toContain(word);
    expect((await run(["info", "nothing.png"], { cwd })).code).toBe(1);
  });

  it("samplers lists names that can be drawn with", async () => {
    const listed = await run(["samplers", "--json"], { cwd });
    const { samplers, schedules } = JSON.parse(listed.stdout) as Record<string, { name: string }[]>;
    const names = samplers!.map(({ name }) => name);
    for (const name of ["Euler a", "DPM++ 2M", "UniPC", "PNDMScheduler", "DDIMScheduler"])
      expect(names).toContain(name);
    expect(schedules!.map(({ name }) => name)).toContain("Karras");
    const table = await run(["samplers"], { cwd });
    for (const name of names) expect(table.stdout).toContain(name);
  });

  it("models lists what has a name and what of it is here", async () => {
    const { models } = JSON.parse((await run(["models", "--json"], { cwd })).stdout) as {
      models: { name: string; found?: { source: string } }[];
    };
    expect(models.filter(({ found }) => found).map(({ name, found }) => [name, found!.source])).toEqual([
      ["inkdrop-256", "embedded"],
    ]);
  });

  it("doctor tries the devices", async () => {
    const done = await run(["doctor", "--json"], { cwd });
    expect(done.code, done.stderr).toBe(0);
    const report = JSON.parse(done.stdout) as Record<string, unknown> & {
      devices: { device: string; works: boolean }[];
    };
    expect(report.devices.find(({ device }) => device === "cpu")).toMatchObject({ works: true });
    expect(report.devices.map(({ device }) => device)).toEqual(["cpu", "webgpu", "cuda"]);
    expect(report).toMatchObject({ node: process.versions.node, model: { name: "inkdrop-256" } });
  });

  it("bench ends in one line of JSON", async () => {
    const args = ["bench", "--model", model, "--size", "64", "--steps", "6", "--measure", "3", "--cfg", "7.5"];
    const done = await run([...args, "--threads", "1"], { cwd });
    expect(done.code, done.stderr).toBe(0);
    const report = JSON.parse(done.stdout.trimEnd().split("\n").at(-1)!) as Record<string, number | number[]>;
    expect(Object.keys(report).sort()).toEqual(["decode_s", "encode_s", "load_s", "step_s"]);
    expect(report["load_s"]).toBeGreaterThan(0);
    expect(report["step_s"]).toHaveLength(3);
    for (const list of [report["encode_s"], report["step_s"], report["decode_s"]] as number[][]) {
      expect(list.length).toBeGreaterThan(0);
      for (const seconds of list) expect(seconds).toBeGreaterThan(0);
    }
  });
});
