/** The built command, run as people run it: what it prints, what it leaves on the disk, and how it ends. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { decodePicture, readMetadata } from "../../src/image/index.ts";
import { expectOneMessage, model, quick, run, workingFolder } from "../support/binary.ts";

const work = workingFolder();

describe("a picture", () => {
  it("is saved, its path told on stdout, the way to it on stderr", async () => {
    const done = await run(quick, work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe("inkling-00001-7.png\n");
    expect(work.files()).toEqual(["inkling-00001-7.png"]);
    for (const part of ["loaded in", "seed 7", "step 2/2", "decoding", "drawn in"]) expect(done.stderr).toContain(part);
    const { width, height } = await decodePicture(readFileSync(work.path(work.files()[0]!)), "it");
    expect([width, height]).toEqual([64, 64]);
  });

  it("goes to stdout with -o -, and nothing else does", async () => {
    const done = await run([...quick, "-o", "-"], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.bytes.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
    expect(done.bytes.subarray(-12).toString("latin1")).toContain("IEND");
    expect((await decodePicture(done.bytes, "stdout")).width).toBe(64);
    expect(work.files()).toEqual([]);
  });

  it("is repeated bit for bit by --from", async () => {
    const settings = ["--sampler", "Euler a", "--schedule", "karras", "--negative", "rain, (fog)", "--guidance", "5"];
    expect((await run([...quick, ...settings, "-o", "first.png"], work)).code).toBe(0);
    const again = await run(["--from", "first.png", "--model", model, "-o", "again.png"], work);
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(work.path("again.png")).equals(readFileSync(work.path("first.png")))).toBe(true);
    const other = await run(["--from", "first.png", "--model", model, "--seed", "8", "-o", "other.png"], work);
    expect(other.code, other.stderr).toBe(0);
    expect(readFileSync(work.path("other.png")).equals(readFileSync(work.path("first.png")))).toBe(false);
  });

  it("goes by another sampler where one is asked for, whatever the picture's own schedule was", async () => {
    const settings = ["--sampler", "Euler a", "--schedule", "karras", "--eta", "0.5"];
    expect((await run([...quick, ...settings, "-o", "first.png"], work)).code).toBe(0);
    for (const sampler of ["DDIM", "Euler", "UniPC"]) {
      const args = ["--from", "first.png", "--model", model, "--sampler", sampler, "-o", `${sampler}.png`];
      const again = await run(args, work);
      expect(again.code, again.stderr).toBe(0);
    }
  });

  it("draws from a picture, and the same again from that picture's settings and the first", async () => {
    expect((await run([...quick, "-o", "first.png"], work)).code).toBe(0);
    const from = ["--init", "first.png", "--mask", "first.png", "--model", model];
    const args = ["another", ...quick.slice(1), ...from, "--strength", "0.7", "--mask-blur", "1"];
    expect((await run([...args, "-o", "second.png"], work)).code).toBe(0);
    const again = await run(["--from", "second.png", ...from, "-o", "third.png"], work);
    expect(again.code, again.stderr).toBe(0);
    expect(readFileSync(work.path("third.png"))).toEqual(readFileSync(work.path("second.png")));
    expect(readFileSync(work.path("second.png"))).not.toEqual(readFileSync(work.path("first.png")));
  });

  it("names the model by its own name, and needs to be told where that is", async () => {
    expect((await run([...quick, "-o", "first.png"], work)).code).toBe(0);
    const { infotext } = readMetadata(readFileSync(work.path("first.png")), "it");
    expect(infotext).toContain(`Model: ${basename(model)}`);
    expect(infotext).not.toContain(model);
    const lost = await run(["--from", "first.png", "-o", "again.png"], work);
    expect(lost.code).toBe(1);
    expectOneMessage(lost, basename(model), "--model");
  });

  it("is told as one JSON object a line with --json", async () => {
    const done = await run([...quick, "--json", "--count", "2"], work);
    expect(done.code, done.stderr).toBe(0);
    const lines = done.stdout.trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const count = (type: string): number => events.filter((event) => event["type"] === type).length;
    expect(
      Object.fromEntries(["model", "start", "step", "decode", "image", "saved"].map((t) => [t, count(t)])),
    ).toEqual({ model: 1, start: 2, step: 4, decode: 2, image: 2, saved: 2 });
    const saved = events.filter((event) => event["type"] === "saved").map((event) => event["path"]);
    expect(saved).toEqual(["inkling-00001-7.png", "inkling-00002-8.png"]);
    expect(work.files()).toEqual(saved);
    expect(done.stderr).toBe("");
  });

  it("can be asked for without a prompt, with a note", async () => {
    const done = await run(["", ...quick.slice(1)], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual([expect.stringContaining("empty")]);
    expect(work.files()).toHaveLength(1);
  });

  it("can be asked for in 10,000 words, every one of which is drawn", async () => {
    const words = Array.from({ length: 10_000 }, (_, i) => `word${i}`).join(" ");
    const done = await run([words, ...quick.slice(1), "-o", "long.png"], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual([]);
    expect(readMetadata(readFileSync(work.path("long.png")), "it").infotext).toContain(words);
    const other = await run([words.replace(/\d+$/, "x"), ...quick.slice(1), "-o", "other.png"], work);
    expect(other.code, other.stderr).toBe(0);
    const pixels = async (name: string) => (await decodePicture(readFileSync(work.path(name)), name)).data;
    expect(await pixels("other.png")).not.toEqual(await pixels("long.png"));
  });

  it("is told in one note what of 10,000 words does not fit, where they are taken as they are", async () => {
    const words = Array.from({ length: 10_000 }, (_, i) => `word${i}`).join(" ");
    const done = await run([words, ...quick.slice(1), "--prompt-syntax", "plain", "-o", "long.png"], work);
    expect(done.code, done.stderr).toBe(0);
    const notes = done.said.filter((line) => line.startsWith("inkling: "));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/longer than the model reads: its last \d+ words .* dropped/);
    expect(readMetadata(readFileSync(work.path("long.png")), "it").infotext).toContain(words);
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
    const done = await run(args, work);
    expectOneMessage(done, ...words);
    expect(done.code).toBe(2);
    expect(work.files()).toEqual([]);
  });
});

it("a device that does not work is named with its reason", async () => {
  const { devices } = JSON.parse((await run(["doctor", "--json"], work)).stdout) as {
    devices: { device: string; works: boolean }[];
  };
  for (const { device } of devices.filter(({ works }) => !works)) {
    const done = await run([...quick, "--quiet", "--device", device], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, `The device ${device} does not work here`, "cpu");
    expect(work.files()).toEqual([]);
  }
});

describe("the other commands", () => {
  it("--version and --help", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    const [shown, help, none] = await Promise.all([["--version"], ["--help"], []].map((args) => run(args, work)));
    expect([shown!.code, shown!.stdout]).toEqual([0, `${version}\n`]);
    expect(help!.code).toBe(0);
    for (const word of ["generate", "info", "samplers", "models", "doctor", "trace", "bench", "--steps"]) {
      expect(help!.stdout).toContain(word);
    }
    expect([none!.code, none!.stdout]).toEqual([0, help!.stdout]);
  });

  it("info tells a picture's settings and a model's parts", async () => {
    await run([...quick, "-o", "house.png"], work);
    const picture = await run(["info", "house.png", "--json"], work);
    expect(picture.code, picture.stderr).toBe(0);
    expect(JSON.parse(picture.stdout)).toMatchObject({
      format: "png",
      width: 64,
      prompt: quick[0],
      settings: { seed: 7, steps: 2, width: 64, height: 64 },
    });
    const parts = await run(["info", model], work);
    expect(parts.code, parts.stderr).toBe(0);
    for (const word of ["unet", "text encoder", "vae", "parameters"]) expect(parts.stdout).toContain(word);
    expect((await run(["info", "nothing.png"], work)).code).toBe(1);
  });

  it("samplers lists names that can be drawn with", async () => {
    const listed = await run(["samplers", "--json"], work);
    const { samplers, schedules } = JSON.parse(listed.stdout) as Record<string, { name: string }[]>;
    const names = samplers!.map(({ name }) => name);
    for (const name of ["Euler a", "DPM++ 2M", "UniPC", "PNDMScheduler", "DDIMScheduler"])
      expect(names).toContain(name);
    expect(schedules!.map(({ name }) => name)).toContain("Karras");
    const table = await run(["samplers"], work);
    for (const name of names) expect(table.stdout).toContain(name);
  });

  it("models lists what has a name and what of it is here", async () => {
    const { models } = JSON.parse((await run(["models", "--json"], work)).stdout) as {
      models: { name: string; found?: { source: string } }[];
    };
    expect(models.filter(({ found }) => found).map(({ name, found }) => [name, found!.source])).toEqual([
      ["inkdrop-256", "embedded"],
      ["inkdrop-gpt2", "embedded"],
      ["inkdrop-clip", "embedded"],
      ["inkdrop-captioner", "embedded"],
    ]);
  });

  it("doctor tries the devices", async () => {
    const done = await run(["doctor", "--json"], work);
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
    const done = await run([...args, "--threads", "1"], work);
    expect(done.code, done.stderr).toBe(0);
    const report = JSON.parse(done.stdout.trimEnd().split("\n").at(-1)!) as Record<string, number | number[]>;
    expect(Object.keys(report).sort()).toEqual(["decode_s", "encode_s", "load_s", "step_s", "steps"]);
    expect(report["load_s"]).toBeGreaterThan(0);
    expect(report["step_s"]).toHaveLength(3);
    for (const list of [report["encode_s"], report["step_s"], report["decode_s"]] as number[][]) {
      expect(list.length).toBeGreaterThan(0);
      for (const seconds of list) expect(seconds).toBeGreaterThan(0);
    }
  });
});
