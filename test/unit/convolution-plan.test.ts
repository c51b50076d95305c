import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { engine, Stopped } from "../../src/cli/cli.ts";
import {
  budgetFor,
  type ConvolutionForm,
  conv2d,
  Graph,
  type Measured,
  nameOfClass,
  planConvolutions,
} from "../../src/graph/index.ts";
import { type ConvolutionPlan, convolutionPlan } from "../../src/pipelines/convolution-plan.ts";
import { type LoadOptions, load } from "../../src/pipelines/index.ts";
import {
  keepMeasured,
  lookup,
  measuredFile,
  readMeasured,
  thisMachine,
  withMeasured,
} from "../../src/pipelines/measured-convolutions.ts";
import { bytesOf } from "../../src/pipelines/memory-size.ts";
import { expectRefusal, runCli } from "../support/cli.ts";
import { list, path } from "../support/fixtures.ts";

let folder = "";
let env: Record<string, string> = {};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-plan-"));
  env = { XDG_CACHE_HOME: folder, HOME: folder };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Three layers alike and one that fewer forms are right for. */
function layers(): Graph {
  const g = new Graph("layers");
  let x = g.input("x", "float32", ["batch", 64, 32, 32]);
  for (let i = 0; i < 3; i++) {
    x = g.scope(`layer${i}`, () => conv2d(x, g.parameter("weight", [64, 64, 3, 3]), undefined, { padding: 1 }));
  }
  g.output("y", conv2d(x, g.parameter("last", [64, 64, 1, 1]), undefined));
  return g;
}

const formsOf = (...args: Parameters<typeof planConvolutions>) => planConvolutions(...args).map(({ form }) => form);

describe("planning", () => {
  const likes =
    (wanted: ConvolutionForm): Measured =>
    (_, form) =>
      form === wanted ? 1e-3 : 1;

  it.each(["direct", "winograd-2", "winograd-4"] as const)("takes %s where that was measured as fastest", (form) => {
    expect(formsOf(layers(), { measured: likes(form) }).slice(0, 3)).toEqual([form, form, form]);
  });

  it("takes a product, which needs no more memory, where it was measured as faster", () => {
    expect(formsOf(layers(), { measured: likes("product"), extraBytes: 0 })[3]).toBe("product");
    expect(formsOf(layers(), { measured: likes("direct") })[3]).toBe("direct");
  });

  it("estimates what was not measured", () => {
    expect(formsOf(layers(), { measured: () => undefined })).toEqual(formsOf(layers()));
  });

  it("counts what it takes to turn the layout for the kernel, and not where it is the only form", () => {
    const alike: Measured = () => 1e-3;
    // The product is no faster, and saves the turning.
    expect(formsOf(layers(), { measured: alike })[3]).toBe("product");
    expect(planConvolutions(layers(), { measured: alike })[3]!.seconds).toEqual({ direct: 1e-3, product: 1e-3 });
  });

  it("keeps to its budget, and takes no larger weights where that is 0", () => {
    const measured = likes("winograd-4");
    const all = (extraBytes?: number) => planConvolutions(layers(), { measured, extraBytes });
    const taken = (extraBytes?: number) => all(extraBytes).reduce((bytes, one) => bytes + one.extraBytes, 0);
    const each = all().find(({ form }) => form === "winograd-4")!.extraBytes;
    expect(each).toBe(4 * 64 * 64 * (36 - 9));
    expect([taken(0), taken(each - 1), taken(2.5 * each), taken()]).toEqual([0, 0, 2 * each, 3 * each]);
    expect(budgetFor(layers(), { extraBytes: 7 })).toBe(7);
    expect(budgetFor(layers(), {})).toBe(2 ** 27);
  });
});

describe("a budget", () => {
  /** F(2, 3) gains nearly as much as F(4, 3), of a quarter of the bytes. */
  const measured: Measured = (_, form) => ({ "winograd-4": 1e-3, "winograd-2": 1.2e-3 })[form as string] ?? 2e-3;
  const small = 4 * 64 * 64 * (16 - 9);
  const large = 4 * 64 * 64 * (36 - 9);
  const formsWithin = (extraBytes: number) => formsOf(layers(), { measured, extraBytes }).slice(0, 3).sort();

  it("goes where it gains the most seconds per byte, and to larger forms with what is left", () => {
    expect(formsWithin(small)).toEqual(["direct", "direct", "winograd-2"]);
    expect(formsWithin(large)).toEqual(["winograd-2", "winograd-2", "winograd-2"]);
    expect(formsWithin(2 * small + large)).toEqual(["winograd-2", "winograd-2", "winograd-4"]);
    expect(formsWithin(3 * large)).toEqual(["winograd-4", "winograd-4", "winograd-4"]);
  });
});

describe("what was measured on this machine", () => {
  const machine = thisMachine(3);
  const seconds = { "2x64x32x32 64x3x3/1": { direct: 0.002, "winograd-4": 0.001 } };
  const notes: string[] = [];
  const read = (of = machine) => readMeasured(of, { env, onNote: (line) => notes.push(line) });
  beforeEach(() => void notes.splice(0));

  it("is found again, added to where it is new or shorter, and alone in its folder", async () => {
    expect(await read()).toEqual({});
    expect(await keepMeasured(machine, seconds, { env })).toEqual(seconds);
    const more = {
      "2x64x32x32 64x3x3/1": { direct: 0.003, "winograd-4": 0.0005 },
      "1x4x8x8 4x1x1/1": { product: 1e-5 },
    };
    const both = { ...more, "2x64x32x32 64x3x3/1": { direct: 0.002, "winograd-4": 0.0005 } };
    expect(await keepMeasured(machine, more, { env })).toEqual(both);
    expect(await read()).toEqual(both);
    expect(await readdir(join(folder, "inkling", "plans"))).toHaveLength(1);
    expect(notes).toEqual([]);
  });

  it("is looked up by class and form", async () => {
    const [{ about }] = planConvolutions(layers()) as [ReturnType<typeof planConvolutions>[number]];
    expect(nameOfClass(about)).toBe("2x64x32x32 64x3x3/1");
    expect(lookup(seconds)(about, "winograd-4")).toBe(0.001);
    expect(lookup(seconds)(about, "winograd-2")).toBeUndefined();
    expect(lookup(seconds)({ ...about, batch: 1 }, "direct")).toBeUndefined();
  });

  it("says nothing of another processor, number of threads or ONNX Runtime", async () => {
    await keepMeasured(machine, seconds, { env });
    for (const other of [{ threads: 4 }, { cpu: "another" }, { abilities: "0" }, { onnxruntime: "0.1" }]) {
      expect(await read({ ...machine, ...other })).toEqual({});
    }
    const file = measuredFile({ ...machine, threads: 4 }, env)!;
    // Of another machine under this one's name.
    await writeFile(file, await readFile(measuredFile(machine, env)!));
    expect(await read({ ...machine, threads: 4 })).toEqual({});
    expect(notes).toHaveLength(1);
  });

  it.each([
    ["empty", ""],
    ["cut short", '{"format":1,"machine":{"cpu":'],
    ["of another format", JSON.stringify({ format: 99, machine, seconds })],
    ["of times that are none", JSON.stringify({ format: 1, machine, seconds: { a: { direct: -1 } } })],
    ["of forms that are none", JSON.stringify({ format: 1, machine, seconds: { a: { quick: 1 } } })],
  ])("is left aside with a note where the file is %s, and written anew", async (_, text) => {
    const file = measuredFile(machine, env)!;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    expect(await read()).toEqual({});
    expect(notes).toEqual([expect.stringContaining(`${file} is damaged`)]);
    await keepMeasured(machine, seconds, { env });
    expect(await read()).toEqual(seconds);
  });

  it("is told although it cannot be kept", async () => {
    await writeFile(join(folder, "inkling"), "a file in the way");
    const said: string[] = [];
    const onNote = (line: string) => void said.push(line);
    expect(await keepMeasured(machine, seconds, { env, onNote })).toEqual(seconds);
    expect(await keepMeasured(machine, seconds, { env: {}, onNote })).toEqual(seconds);
    expect(said).toEqual([expect.stringContaining("not kept"), expect.stringContaining("no cache folder")]);
    expect(await readdir(folder)).toEqual(["inkling"]);
  });

  it("has a say on the CPU, where nothing else was said", async () => {
    await keepMeasured(machine, seconds, { env });
    const opening = { env, threads: 3 };
    const [{ about }] = planConvolutions(layers()) as [ReturnType<typeof planConvolutions>[number]];
    const told = await withMeasured({ extraBytes: 5 }, "cpu", opening);
    expect([told?.extraBytes, told?.measured?.(about, "direct")]).toEqual([5, 0.002]);
    expect((await withMeasured(undefined, "cpu", { env, threads: 2 }))?.measured?.(about, "direct")).toBeUndefined();
    expect(await withMeasured({ form: "direct" }, "cpu", opening)).toEqual({ form: "direct" });
    expect(await withMeasured(undefined, "webgpu", opening)).toEqual({});
  });
});

const model = path("checkpoints", list("checkpoints", "reference").find((name) => /sd15$/.test(name))!);
const small = { width: 64, height: 64 };

describe("inkling doctor --plan", () => {
  const plan = (...args: string[]) => runCli(["doctor", "--plan", model, "--size", "64", ...args], { env });

  it("tells each class of convolution, and what they come to", async () => {
    const { stdout, stderr, code } = await plan("--threads", "1");
    expect([stderr, code]).toEqual(["", 0]);
    expect(stdout).toMatch(/64×64; .*, 1 thread, ONNX Runtime \d/);
    expect(stdout).toMatch(
      /^layers +batch +channels +size +kernel +form +predicted +GFLOP\/s +measured +GFLOP\/s +extra +such as$/m,
    );
    expect(stdout).toMatch(/^ +\d+ +2 +\d+→\d+ +8×8 +3×3 +direct +\d+\.\d\d ms +\d+ +- +- +- +conv_in$/m);
    for (const words of ["U-Net\nlayers  batch", "VAE decoder\nlayers  batch", "every one direct: ", "--measure"]) {
      expect(stdout).toContain(words);
    }
  });

  it("measures every class in every form, and plans by it from then on", async () => {
    const json = async (...args: string[]) => JSON.parse((await plan("--json", ...args)).stdout) as ConvolutionPlan;
    const before = await json("--threads", "1");
    expect(before.networks.map(({ seconds }) => seconds.measured)).toEqual([undefined, undefined]);
    const measured = await json("--threads", "1", "--measure");
    for (const { lines, seconds, directSeconds, extraBytes, budgetBytes } of measured.networks) {
      for (const line of lines) {
        for (const times of Object.values(line.seconds)) expect(times.measured).toBeGreaterThan(0);
      }
      expect(seconds.measured).toBeGreaterThan(0);
      expect(directSeconds.measured).toBeGreaterThan(0);
      expect(extraBytes).toBeLessThanOrEqual(budgetBytes);
    }
    expect(await json("--threads", "1")).toEqual(measured);
    expect((await json("--threads", "2")).networks[0]!.seconds.measured).toBeUndefined();
    expect(await readdir(dirname(measured.file!))).toEqual([expect.stringMatching(/-1-threads-.*\.2\.json$/)]);
  });

  it("obeys a form and a budget", async () => {
    const networks = async (...args: string[]) =>
      (JSON.parse((await plan("--json", ...args)).stdout) as ConvolutionPlan).networks;
    const forms = (all: ConvolutionPlan["networks"]) =>
      new Set(all.flatMap(({ lines }) => lines.map(({ form }) => form)));
    expect([...forms(await networks("--convolutions", "direct"))]).toEqual(["direct"]);
    expect(forms(await networks("--convolutions", "winograd-4"))).toContain("winograd-4");
    for (const network of await networks("--convolution-memory", "0")) {
      expect([network.extraBytes, network.budgetBytes]).toEqual([0, 0]);
    }
    expect((await networks("--convolution-memory", "1.5 MiB"))[0]!.budgetBytes).toBe(1.5 * 2 ** 20);
  });

  it("is stopped by Ctrl-C, and keeps what was measured until then", async () => {
    const controller = new AbortController();
    const ran = await runCli(["doctor", "--plan", model, "--size", "64", "--measure"], {
      env,
      signal: controller.signal,
      engine: {
        convolutionPlan: (name, options) =>
          engine.convolutionPlan(name, {
            ...options,
            onProgress: ({ done }) => done === 3 && controller.abort(new Stopped("stopped", 130)),
          }),
      },
    });
    expect([ran.stderr, ran.stdout, ran.code]).toEqual(["inkling: stopped\n", "", 130]);
    expect(Object.values(await readMeasured(thisMachine(), { env })).flatMap(Object.keys)).toHaveLength(3);
  });

  it.each([
    [["--size", "64"], 2, "--size goes with --plan"],
    [["--measure"], 2, "--measure goes with --plan"],
    [["--convolution-memory", "0"], 2, "--convolution-memory goes with --plan"],
    [["--plan", "a", "--model", "b"], 2, "named twice"],
    [["--plan", "--convolutions", "quick"], 2, "winograd-2"],
    [["--plan", "--convolution-memory", "lots"], 2, "512MiB"],
    [["--plan", "/nowhere/at/all"], 1, "/nowhere/at/all"],
  ])("refuses %j", async (args, code, words) => {
    expectRefusal(await runCli(["doctor", ...args], { env }), code, words);
  });
});

test("a model is drawn by what was measured", async () => {
  const machine = thisMachine(1);
  const like = async (form: ConvolutionForm) => {
    const { networks } = await convolutionPlan(model, { ...small, env, threads: 1 });
    const classes = networks.flatMap(({ lines }) => lines);
    const seconds = classes.map((line) => {
      const times = Object.keys(line.seconds).map((one) => [
        one,
        one === form || one === "product" ? 1e-6 : one === "direct" ? 0.5 : 1,
      ]);
      return [nameOfClass(line), Object.fromEntries(times)] as const;
    });
    await keepMeasured(machine, Object.fromEntries(seconds), { env });
  };
  const drawn = async (convolutions: LoadOptions["convolutions"]) => {
    const inkling = await load(model, { device: "cpu", threads: 1, prepared: false, env, convolutions });
    try {
      for await (const event of inkling.stream({ prompt: "a cat", ...small, steps: 2, seed: 1 })) {
        if (event.type === "image") return event.pixels.data;
      }
      throw new Error("There was no picture.");
    } finally {
      await inkling.close();
    }
  };
  await like("winograd-4");
  const measured = await drawn({});
  expect(measured).toEqual(await drawn({ form: "winograd-4" }));
  expect(measured).not.toEqual(await drawn({ form: "direct" }));
});

test("drawing passes the form and the budget on, options before the config file", async () => {
  const options = async (...args: string[]) => {
    const { loads } = await runCli(["a cat", "-o", join(folder, "a.png"), "--overwrite", ...args], { env });
    return loads[0]!.options.convolutions;
  };
  expect(await options()).toEqual({});
  expect(await options("--convolutions", "auto", "--convolution-memory", "1GiB")).toEqual({ extraBytes: 2 ** 30 });
  const file = join(folder, "inkling.config.json");
  await writeFile(file, JSON.stringify({ defaults: { convolutions: "winograd-2", convolutionMemory: "512MB" } }));
  expect(await options("--config-file", file)).toEqual({ form: "winograd-2", extraBytes: 512e6 });
  const all = ["--convolutions", "direct", "--convolution-memory", "0"];
  expect(await options("--config-file", file, ...all)).toEqual({ form: "direct", extraBytes: 0 });
  expect(await options("--config-file", file, "--convolutions", "auto")).toEqual({ extraBytes: 512e6 });
});

test.each([
  ["0", 0],
  ["512MiB", 2 ** 29],
  ["512 mb", 512e6],
  ["1.5GiB", 1.5 * 2 ** 30],
  ["2", 2 ** 31],
  ["1k", undefined],
  ["-1GiB", undefined],
  ["", undefined],
])("%j is an amount of memory of %s", (text, bytes) => {
  expect(bytesOf(text)).toBe(bytes);
});
