import { rmSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Stopped } from "../../src/cli/cli.ts";
import { decodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

let folder = "";
let file = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-cli-"));
  file = join(folder, "a.png");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const infotextOf = async (path: string) => parseInfotext(readMetadata(await readFile(path), path).infotext!);

describe("a prompt", () => {
  it("becomes a file whose path stands on stdout and whose settings stand inside", async () => {
    const ran = await runCli(["a lady with blue eyes", "-o", file, "--seed", "7", "--steps", "5", "-n", "blurry"]);
    expect(ran.stdout).toBe(`${file}\n`);
    expect(ran.code).toBe(0);
    expect(ran.closed).toBe(1);
    const { prompt, negativePrompt, fields } = await infotextOf(file);
    expect([prompt, negativePrompt]).toEqual(["a lady with blue eyes", "blurry"]);
    expect(fields.get("Seed")).toBe("7");
    expect(fields.get("Model hash")).toBe("0123456789");
    expect(fields.get("Version")).toMatch(/^inkling \d/);
    expect(await decodePicture(await readFile(file), file)).toMatchObject({ width: 16, height: 24 });
  });

  it("may come without quotes, after `generate`, and after options", async () => {
    for (const args of [
      ["generate", "a", "cat"],
      ["a", "cat"],
      ["--steps", "4", "a", "cat"],
      ["--", "a", "cat"],
    ]) {
      const ran = await runCli(
        [...args.slice(0, -2), "-o", folder, "-q", ...args.slice(-2)].flatMap((x) => (x === "--" ? [] : [x])),
      );
      expect(ran.asked[0]?.prompt).toBe("a cat");
    }
  });

  it("hands every option on", async () => {
    const ran = await runCli([
      ..."x --size 64x32 --guidance 0 --guidance-rescale 0.7 --guidance-interval 0.2:0.8 --ngms 3 --token-merging 0.5 --eta 0.5 --rng cuda".split(
        " ",
      ),
      ..."--clip-skip 2 --count 2 --model m --vae v --config c --prediction v --device cpu --threads 3".split(" "),
      ..."--seed 5 --steps 1e1 --deep-cache 3 --deep-cache-branch 2 --deep-cache-from 0.4 --deep-cache-late 5".split(
        " ",
      ),
      "-o",
      folder,
    ]);
    expect(ran.stderr).not.toContain("inkling:");
    expect(ran.loads[0]).toMatchObject({
      model: "m",
      options: { vae: "v", config: "c", prediction: "v_prediction", device: "cpu", threads: 3 },
    });
    expect(ran.asked[0]).toMatchObject({
      width: 64,
      height: 32,
      guidance: 0,
      guidanceRescale: 0.7,
      guidanceInterval: [0.2, 0.8],
      ngms: 3,
      tokenMerging: 0.5,
      deepCache: 3,
      deepCacheBranch: 2,
      deepCacheFrom: 0.4,
      deepCacheLate: 5,
      eta: 0.5,
      rng: "cuda",
      clipSkip: 2,
      count: 2,
      seed: 5,
      steps: 10,
    });
  });

  it("may be empty, but not absent", async () => {
    expect((await runCli(["", "-o", file])).code).toBe(0);
    expectRefusal(await runCli(["--steps", "4"]), 2, "no prompt", "inkling");
  });

  it("that is too long is told in one line", async () => {
    const dropped = `${"word ".repeat(9_950)}`;
    const { stderr, code } = await runCli(["x", "-o", file], { dropped });
    expect(stderr.match(/9950 words/g)).toHaveLength(1);
    expect(code).toBe(0);
  });
});

describe("output", () => {
  it("goes by default and for a folder to the next number", async () => {
    const ran = await runCli(["x", "-o", `${folder}/new/deep/`, "--count", "3", "--seed", "9", "-q"]);
    expect(ran.stdout.trim().split("\n")).toEqual(
      [9, 10, 11].map((seed, i) => join(folder, "new", "deep", `inkling-0000${i + 1}-${seed}.png`)),
    );
    expect(ran.stderr).toBe("");
    expect((await infotextOf(join(folder, "new/deep/inkling-00002-10.png"))).fields.get("Seed")).toBe("10");
  });

  it("of several pictures to one name is numbered", async () => {
    const ran = await runCli(["x", "-o", join(folder, "a.webp"), "--count", "2", "-q"]);
    expect(ran.code).toBe(0);
    expect(await readdir(folder)).toEqual(["a-1.webp", "a-2.webp"]);
  });

  it.each(["png", "jpeg", "webp"])("to stdout is a %s and nothing else", async (format) => {
    const ran = await runCli(["x", "-o", "-", "--format", format]);
    expect(readMetadata(ran.raw, "stdout")).toMatchObject({ format, infotext: expect.stringContaining("Steps: 3") });
    expect(ran.code).toBe(0);
  });

  it("in JSON is one object a line, numbers told by their shape", async () => {
    const ran = await runCli(["x", "-o", file, "--json"], { dropped: "y z" });
    const events = ran.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ type }) => type)).toEqual([
      "model",
      "note",
      "tokens",
      "embeddings",
      "start",
      "step",
      "step",
      "step",
      "decode",
      "image",
      "saved",
    ]);
    expect(events[2]).toEqual({
      type: "tokens",
      cond: { dtype: "int64", shape: [1, 77] },
      uncond: { dtype: "int64", shape: [1, 77] },
      dropped: "y z",
      texts: [
        {
          ...{ of: "cond", part: 0, weight: 1, until: 3, text: "x" },
          ids: { dtype: "int64", shape: [1, 77] },
          weights: { dtype: "float32", shape: [1, 77] },
        },
      ],
    });
    expect(events[9]).toMatchObject({ image: { width: 16, height: 24 }, pixels: { shape: [1, 3, 24, 16] } });
    expect(events[5]).toMatchObject({ latents: { dtype: "float32", shape: [1, 4, 3, 2] } });
    expect(ran.unseen).toBe(0);
    expect(events[10]).toEqual({ type: "saved", picture: 0, path: file });
    expect(ran.stderr).toBe("");
  });

  it("when piped is told in plain lines", async () => {
    const { stderr, unseen } = await runCli(["x", "-o", folder, "--steps", "100"]);
    expect(unseen).toBe(1);
    expect(stderr).toContain("step 1/100");
    expect(stderr).toContain("step 100/100, 1 s left");
    expect(stderr.split("\n").length).toBeLessThan(20);
    expect(stderr).not.toContain("\x1b");
    expect(stderr).not.toContain("\r");
  });

  it("on a terminal is a bar with the time left, and a preview in half blocks", async () => {
    const { stderr, stdout } = await runCli(["x", "-o", file], {
      terminal: true,
      milliseconds: 60,
      env: { TMUX: "x" },
    });
    expect(stderr).toContain("3/3");
    expect(stderr).toMatch(/\d+ s left/);
    expect(stderr).toContain("▀");
    expect(stdout).toBe(`${file}\n`);
    // The cursor is shown again and lines wrap again.
    expect(stderr.lastIndexOf("\x1b[?25h")).toBeGreaterThan(stderr.lastIndexOf("\x1b[?25l"));
    expect(stderr.lastIndexOf("\x1b[?7h")).toBeGreaterThan(stderr.lastIndexOf("\x1b[?7l"));
  });

  it.each([
    ["kitty", "\x1b_Ga=T,f=24"],
    ["iterm2", "\x1b]1337;File=inline=1"],
    ["sixel", "\x1bP"],
    ["blocks", "▀"],
  ])("shows a preview by %s when asked to", async (kind, mark) => {
    const { stderr, asked, unseen } = await runCli(["x", "-o", file, "--preview", kind], { terminal: true });
    expect(unseen).toBe(0);
    expect(stderr).toContain(mark);
    expect(asked[0]?.preview).toBe(true);
  });

  it.each([
    ["off", ["--preview", "off"], { terminal: true }],
    ["piped", ["--preview"], {}],
    ["not a colour", [], { terminal: true, env: { NO_COLOR: "1" } }],
  ])("shows none when %s", async (_, args, world) => {
    const { asked, unseen } = await runCli(["x", "-o", file, ...args], world);
    expect([asked[0]?.preview, unseen]).toEqual([false, 1]);
  });
});

describe("wrong usage is told in one line, before anything is loaded", () => {
  it.each([
    [["x", "--stepz", "4"], "Did you mean --steps?"],
    [["x", "--steps", "0"], "from 1 to 1000"],
    [["x", "--steps", "1e9"], "from 1 to 1000"],
    [["x", "--steps", "4.5"], "whole number"],
    [["x", "--steps"], "--steps"],
    [["x", "--size", "500"], "496 or 504"],
    [["x", "--size", "0"], "take 8"],
    [["x", "--size", "512x1e9"], "512x768"],
    [["x", "--size", "99999999"], "at most"],
    [["x", "--size", "4096"], "at most"],
    [["x", "--guidance", "much"], "number"],
    [["x", "--guidance", "101"], "from -100 to 100"],
    [["x", "--eta", "1.5"], "from 0 to 1"],
    [["x", "--seed", "99999999999999999999"], "15 digits"],
    [["x", "--rng", "gpu"], "cpu, cuda"],
    [["x", "--guidance-interval", "0.9,0.1"], "0.2:0.8"],
    [["x", "--guidance-interval", "0:1.2"], "0.2:0.8"],
    [["x", "--guidance-interval", "0.5"], "0.2:0.8"],
    [["x", "--ngms", "-1"], "from 0 to 1000"],
    [["x", "--token-merging", "0.8"], "from 0 to 0.75"],
    [["x", "--deep-cache", "1.5"], "from 1 to 100"],
    [["x", "--deep-cache-branch", "-1"], "from 0 to 100"],
    [["x", "--format", "gif"], "png, jpeg, webp"],
    [["x", "--prediction", "eps"], "epsilon, v or sample"],
    [["x", "--device", "cdua"], "Did you mean cuda?"],
    [["x", "--preview", "kity"], "Did you mean kitty?"],
    [["x", "--threads", "0"], "from 1 to"],
    [["x", "--count", "0"], "from 1 to"],
    [["x", "--json", "--quiet"], "--quiet"],
    [["x", "--json", "-o", "-"], "stdout"],
    [["x", "-o", "-", "--count", "2"], "one picture"],
    [["x", "-o", "a.gif"], ".png, .jpg, .jpeg, .webp"],
    [["x", "-o", "a.png", "--format", "webp"], "drop one"],
    [["x", "-o", ""], "--output is empty"],
    [["samplrs"], "Did you mean samplers?"],
    [["bnech"], "Did you mean bench?"],
  ])("%j", async (args, words) => {
    const ran = await runCli(args);
    expectRefusal(ran, 2, words);
    expect(ran.loads).toEqual([]);
  });

  it("but words that are near a command are drawn", async () => {
    for (const word of ["beach", "grace", "info-graphic"]) {
      expect((await runCli([word, "-o", folder])).asked[0]?.prompt).toBe(word);
    }
  });

  it("settings that only the model can judge too", async () => {
    expectRefusal(await runCli(["x", "-o", file, "-q", "--clip-skip", "99"]), 2, "clip skip is 99");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("faults", () => {
  it("a file that exists is left, before the model is loaded, unless told", async () => {
    await writeFile(file, "mine");
    const ran = await runCli(["x", "-o", file]);
    expectRefusal(ran, 1, file, "exists already");
    expect(ran.loads).toEqual([]);
    expect((await runCli(["x", "-o", file, "--overwrite"])).code).toBe(0);
    expect(readMetadata(await readFile(file), file).format).toBe("png");
  });

  it("so is one of several", async () => {
    await writeFile(join(folder, "a-2.png"), "mine");
    expectRefusal(await runCli(["x", "-o", file, "--count", "2"]), 1, "a-2.png");
    expect(await readdir(folder)).toEqual(["a-2.png"]);
  });

  it("a folder that is missing is told before the model is loaded", async () => {
    const ran = await runCli(["x", "-o", join(folder, "no", "a.png")]);
    expectRefusal(ran, 1, join(folder, "no"), "does not exist");
    expect(ran.loads).toEqual([]);
  });

  it("a file that appears meanwhile is left", async () => {
    const ran = await runCli(["x", "-o", file, "-q"], { onStep: () => writeFileSync(file, "mine") });
    expectRefusal(ran, 1, "exists already");
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  it("a full disk is told with the path", async () => {
    expectRefusal(await runCli(["x", "-o", "/dev/full", "--format", "png", "-q"]), 1, "/dev/full", "disk is full");
  });

  it("a disk that fills meanwhile leaves no file", async () => {
    await mkdir(join(folder, "gone"));
    const path = join(folder, "gone", "a.png");
    const onStep = () => rmSync(join(folder, "gone"), { recursive: true, force: true });
    expectRefusal(await runCli(["x", "-o", path, "-q"], { onStep }), 1, path, "does not exist");
  });

  it("weights at fault end with 1, the unforeseen with 1 and a hint, each in one line", async () => {
    const failing = (error: Error) => ({ engine: { load: () => Promise.reject(error) } });
    expectRefusal(
      await runCli(["x", "-o", file], failing(new InputError("w.safetensors is cut\nshort."))),
      1,
      "cut short",
    );
    expectRefusal(await runCli(["x", "-o", file], failing(new TypeError("\x1b[2Joops"))), 1, "oops", "INKLING_DEBUG");
    const debugged = await runCli(["x", "-o", file], {
      ...failing(new TypeError("oops")),
      env: { INKLING_DEBUG: "1" },
    });
    expect(debugged.stderr).toContain("at ");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("interrupted", () => {
  it("during a step: no file, the model closed, exit code 130", async () => {
    const controller = new AbortController();
    const ran = await runCli(["x", "-o", file, "--steps", "1000"], {
      signal: controller.signal,
      onStep: (call) => call === 5 && controller.abort(new Stopped("interrupted", 130)),
    });
    expect(ran.code).toBe(130);
    expect(ran.closed).toBe(1);
    expect(ran.stdout).toBe("");
    expect(ran.stderr.trimEnd().split("\n").at(-1)).toBe("inkling: interrupted");
    expect(await readdir(folder)).toEqual([]);
  });

  it("during a load", async () => {
    const controller = new AbortController();
    const load = (_: unknown, { signal }: { signal?: AbortSignal }): Promise<never> =>
      new Promise((_, fail) => {
        signal?.addEventListener("abort", () => fail(signal.reason));
        setTimeout(() => controller.abort(new Stopped("terminated", 143)), 20);
      });
    expect((await runCli(["x", "-o", file], { signal: controller.signal, engine: { load } })).code).toBe(143);
  });

  it("before a load: nothing is loaded", async () => {
    const ran = await runCli(["x", "-o", file], { signal: AbortSignal.abort(new Stopped("terminated", 143)) });
    expect([ran.code, ran.loads]).toEqual([143, []]);
  });

  it("when a pipe's reader goes away: not a word", async () => {
    const controller = new AbortController();
    const running = runCli(["x", "-o", file, "-q", "--steps", "1000"], { signal: controller.signal, milliseconds: 5 });
    setTimeout(() => controller.abort(new Stopped("", 141)), 20);
    expect(await running).toMatchObject({ code: 141, stderr: "", stdout: "" });
  });

  it("leaves the terminal as it was", async () => {
    const controller = new AbortController();
    const { stderr } = await runCli(["x", "-o", file, "--steps", "1000"], {
      signal: controller.signal,
      onStep: (call) => call === 5 && controller.abort(new Stopped("interrupted", 130)),
      terminal: true,
    });
    expect(stderr.lastIndexOf("\x1b[?25h")).toBeGreaterThan(stderr.lastIndexOf("\x1b[?25l"));
  });
});
