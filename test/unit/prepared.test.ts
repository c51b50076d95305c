import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serialize } from "node:v8";
import type { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { preparedWeights } from "../../src/pipelines/machine.ts";
import { createSessions } from "../../src/pipelines/sessions.ts";
import { clearPrepared, createNodeRuntime, createProcessRuntime, listPrepared } from "../../src/runtime/index.ts";
import { preparedSessions } from "../../src/runtime/prepared.ts";
import { findEntry, NoRoom, newDraft, placeDraft, removeEntry } from "../../src/runtime/prepared-folder.ts";
import { type Ingredients, ingredientsOf, keyOf } from "../../src/runtime/prepared-key.ts";
import { shareWeights } from "../../src/runtime/prepared-sharing.ts";
import type { PreparedOptions, Runtime, SessionOptions } from "../../src/runtime/runtime.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import type { ModelPart } from "../../src/weights/index.ts";
import { convolution, feeds, ort } from "../support/prepared.ts";

const home = mkdtempSync(join(tmpdir(), "inkling-prepared-"));
const model = convolution(home);
afterAll(() => rmSync(home, { recursive: true, force: true }));
let folder = "";
beforeEach(() => {
  folder = join(mkdtempSync(join(home, "test-")), "prepared");
});

const drafts = (): string[] => readdirSync(folder).filter((name) => name.startsWith(".draft-"));
/** Written as one that is prepared while it is loaded. */
const large = convolution(home, { write: false, large: true });
const only = (): string => join(folder, listPrepared(folder)[0]!.key);

/** One start of the program: a runtime, a session, an output. */
async function start(
  network = model,
  { make = createNodeRuntime, prepared = { folder }, side, ...options }: Partial<Start> = {},
): Promise<{ readonly y: Tensor; readonly notes: readonly string[] }> {
  const runtime = make({ device: "cpu", threads: 2, ...(prepared && { prepared }) });
  try {
    const notes: string[] = [];
    const session = await runtime.createSession(network, { ...options, onNote: (line) => notes.push(line) });
    const { y } = await session.run(feeds(side));
    return { y: y!, notes };
  } finally {
    await runtime.close();
    if (make === createProcessRuntime) await settled();
  }
}

/** An inference process that was let go has prepared what it was asked for. */
async function settled(): Promise<void> {
  while (listPrepared(folder).length === 0 || !existsSync(join(only(), "flushed")) || drafts().length > 0)
    await sleep(5);
}

interface Start extends SessionOptions {
  readonly make: typeof createNodeRuntime;
  readonly side: number;
  readonly prepared: PreparedOptions | false;
}
const plain = () => start(model, { prepared: false });

/** ONNX Runtime that tells which graphs it was given: bytes, or a file. */
function watched() {
  const given: (string | Uint8Array)[] = [];
  const create = (model: string | Uint8Array, options: InferenceSession.SessionOptions) => {
    given.push(model);
    return ort.InferenceSession.create(model as string, options);
  };
  return { given, env: ort.env, InferenceSession: { create } };
}

describe("prepared weights", () => {
  test.each([
    ["in this process", createNodeRuntime],
    ["in a process of its own", createProcessRuntime],
  ])("give the numbers of those that were not, bit for bit, %s", async (_, make) => {
    const wanted = await plain();
    const first = await start(model, { make });
    const [entry, ...others] = listPrepared(folder);
    expect([entry!.name, others, drafts()]).toEqual(["convolution", [], []]);
    const second = await start(model, { make });
    expect(listPrepared(folder).map(({ key }) => key)).toEqual([entry!.key]);
    expect([first, second]).toEqual([wanted, wanted]);
    expect(new Set(wanted.y.data as Float32Array).size).toBeGreaterThan(1000);
  });

  test.each(["direct", "winograd-2", "winograd-4"] as const)(
    "of a large network are the numbers that ONNX Runtime folds, bit for bit: %s",
    async (form) => {
      const network = convolution(home, { write: false, large: true, form });
      const wanted = await start(network, { prepared: false });
      const [first, second] = [await start(network), await start(network)];
      expect([first, second]).toEqual([wanted, wanted]);
      expect([listPrepared(folder).length, drafts()]).toEqual([1, []]);
      const made = statSync(join(only(), "weights.bin")).size;
      expect(made - network.ahead!.bytes).toBeLessThanOrEqual(0);
      expect(network.ahead!.bytes - made).toBeLessThan(64);
    },
  );

  test.each([
    ["made when all else is done", model, [model.bytes, model.bytes]],
    [
      "of a large network made and opened at once",
      large,
      [...large.ahead!.pieces.map((piece) => piece.model.bytes), large.ahead!.graph, "file"],
    ],
  ])("are %s, and opened in place of the graph from then on", async (_, network, wanted) => {
    const given = [];
    const session = { model_external_initializers_file_folder_path: model.folder };
    const options: InferenceSession.SessionOptions = {
      graphOptimizationLevel: "all",
      intraOpNumThreads: 2,
      logSeverityLevel: 3,
      extra: { session },
    };
    for (let i = 0; i < 3; i++) {
      const engine = watched();
      const sessions = preparedSessions(engine, { folder });
      await (await sessions.create(network, options)).release();
      await sessions.finish();
      given.push(engine.given);
    }
    const file = join(only(), "graph.onnx");
    expect(given).toEqual([wanted.map((each) => (each === "file" ? file : each)), [file], [file]]);
  });

  test("are for their owner's eyes", async () => {
    await start();
    for (const path of [folder, only()]) expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  test("are not kept of small networks, of sets of adapters, or where nobody wants them", async () => {
    await start({ ...model, weightBytes: 8 * 2 ** 20 - 1 });
    await start(model, { prepare: false });
    await plain();
    expect(existsSync(folder)).toBe(false);
  });

  test("follow the number of threads without being made anew", async () => {
    await start();
    const runtime = createNodeRuntime({ device: "cpu", threads: 1, prepared: { folder } });
    const one = await (await runtime.createSession(model)).run(feeds());
    await runtime.close();
    expect(listPrepared(folder)).toHaveLength(1);
    const bare = createNodeRuntime({ device: "cpu", threads: 1 });
    const wanted = await (await bare.createSession(model)).run(feeds());
    await bare.close();
    expect(one).toEqual(wanted);
  });
});

describe("weights that are the same", () => {
  const inode = (key: string) => statSync(join(folder, key, "weights.bin")).ino;
  const larger = () => ({ ...model, bytes: convolution(home, { side: 12, write: false }).bytes });

  test("of two picture sizes lie there once, and give the numbers that they gave", async () => {
    const before = [await start(), await start(larger(), { side: 12 })];
    const entries = listPrepared(folder);
    expect(entries).toHaveLength(2);
    expect(new Set(entries.map(({ key }) => inode(key))).size).toBe(1);
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    expect(bytes / statSync(join(only(), "weights.bin")).size).toBeCloseTo(1, 2);
    const after = [await start(), await start(larger(), { side: 12 })];
    expect(after).toEqual(before);
    expect(after).toEqual([await plain(), await start(larger(), { side: 12, prepared: false })]);
    expect(drafts()).toEqual([]);
  });

  test("stay when one of the two goes; what is different by a byte stays apart", async () => {
    await start();
    const { key } = listPrepared(folder)[0]!;
    await start(larger(), { side: 12 });
    const other = listPrepared(folder).find((entry) => entry.key !== key)!.key;
    const file = join(folder, other, "weights.bin");
    const bytes = readFileSync(file);
    rmSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await shareWeights(folder, other)).toBe(false);
    expect(inode(other)).not.toBe(inode(key));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await shareWeights(folder, other)).toBe(true);
    removeEntry(folder, key);
    expect(await start(larger(), { side: 12 })).toEqual(await start(larger(), { side: 12, prepared: false }));
    expect(listPrepared(folder).map((entry) => entry.key)).toEqual([other]);
  });
});

describe("the key", () => {
  const facts: Ingredients = {
    graphs: [new Uint8Array([1, 2])],
    files: [{ path: "/w", size: 1n, modifiedNs: 2n, inode: 3n }],
    level: "all",
    version: "1.30.0",
    processor: "avx512",
  };
  const [file] = facts.files;

  test.each<[string, Partial<Ingredients>]>([
    ["the graph", { graphs: [new Uint8Array([1, 3])] }],
    ["what is computed ahead", { graphs: [new Uint8Array([1, 2]), new Uint8Array([1])] }],
    ["a file's path", { files: [{ ...file!, path: "/v" }] }],
    ["a file's size", { files: [{ ...file!, size: 2n }] }],
    ["a file's time, by a nanosecond", { files: [{ ...file!, modifiedNs: 3n }] }],
    ["a file's inode", { files: [{ ...file!, inode: 4n }] }],
    ["one file more", { files: [file!, file!] }],
    ["the optimisation level", { level: "extended" }],
    ["ONNX Runtime's version", { version: "1.30.1" }],
    ["the processor", { processor: "avx2" }],
  ])("is another one with %s", (_, changed) => {
    expect(keyOf({ ...facts, ...changed })).not.toBe(keyOf(facts));
    expect(keyOf(facts)).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is the same for the same files, and tells the processor", () => {
    const [one, two] = [0, 1].map(() => ingredientsOf(model, "all", "1"));
    expect(one).toEqual(two);
    expect(one!.processor).toContain(process.arch);
    if (process.platform === "linux") expect(one!.processor).toMatch(/^(flags|Features)\s*:/m);
  });

  test("is another one when a file of weights was replaced: other numbers come out", async () => {
    const again = mkdtempSync(join(home, "other-"));
    const before = await start(convolution(again));
    const other = convolution(again, { seed: 5 });
    const after = await start(other);
    expect(after.y).not.toEqual(before.y);
    expect(after).toEqual(await start(other, { prepared: false }));
    expect(listPrepared(folder)).toHaveLength(2);
  });
});

describe("an entry that is not whole is made anew", () => {
  const otherBoot = (path: string): void => {
    const manifest = join(path, "entry.json");
    writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, "utf8")), boot: "another" }));
  };
  test.each<[string, (path: string) => void]>([
    ["weights that were cut off", (path) => truncateSync(join(path, "weights.bin"), 1_000_000)],
    ["weights that are gone", (path) => rmSync(join(path, "weights.bin"))],
    [
      "another graph",
      (path) => writeFileSync(join(path, "graph.onnx"), "x".repeat(statSync(join(path, "graph.onnx")).size)),
    ],
    ["nothing that says what it is", (path) => rmSync(join(path, "entry.json"))],
    ["nonsense that says what it is", (path) => writeFileSync(join(path, "entry.json"), "{")],
    [
      "what a crash of the system may have kept from the disk",
      (path) => {
        rmSync(join(path, "flushed"));
        otherBoot(path);
      },
    ],
  ])("%s", async (_, damage) => {
    const wanted = await start();
    damage(only());
    expect(await start()).toEqual(wanted);
    const [entry, ...others] = listPrepared(folder);
    expect([others, drafts()]).toEqual([[], []]);
    expect(findEntry(folder, entry!.key)).toBe(only());
  });

  test("but one that the disk has is taken after a restart of the system", async () => {
    await start();
    otherBoot(only());
    expect(findEntry(folder, listPrepared(folder)[0]!.key)).toBe(only());
  });
});

describe("a preparation that is interrupted", () => {
  test("by an aborted load leaves nothing behind", async () => {
    const runtime = createProcessRuntime({ device: "cpu", threads: 1, prepared: { folder } });
    const controller = new AbortController();
    const loading = runtime.createSession(large, { signal: controller.signal });
    loading.catch(() => {});
    while (!existsSync(folder) || drafts().length === 0) await sleep(1);
    controller.abort(new Error("enough"));
    await expect(loading).rejects.toThrow("enough");
    await runtime.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("by work that goes on is not begun: such a process is ended", async () => {
    const runtime = createProcessRuntime({ device: "cpu", threads: 1, prepared: { folder } });
    const session = await runtime.createSession(model);
    const running = session.run(feeds());
    running.catch(() => {});
    await runtime.close();
    await expect(running).rejects.toThrow("closed");
    expect(existsSync(folder)).toBe(false);
  });

  test("leaves what the next one removes: of processes that are gone, or older than a day", async () => {
    const [gone, alive, old] = [`.draft-${2 ** 30}-a`, `.draft-${process.pid}-b`, `.draft-${process.pid}-c`];
    for (const name of [gone, alive, old]) {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, "weights.bin"), "half");
    }
    const before = new Date(Date.now() - 25 * 3600 * 1000);
    utimesSync(join(folder, old), before, before);
    await start();
    expect(drafts()).toEqual([alive]);
  });

  test("by nobody: two processes prepare the same at once, and one entry is there", async () => {
    const both = await Promise.all([0, 1].map(() => start(model, { make: createProcessRuntime })));
    expect(both[0]).toEqual(both[1]);
    expect([listPrepared(folder).length, drafts()]).toEqual([1, []]);
  });
});

describe("the limit", () => {
  const none: ReadonlySet<string> = new Set();
  /** An entry of so many bytes, used so many days ago. */
  function entry(digit: string, bytes: number, days: number): string {
    const key = digit.repeat(64);
    const draft = newDraft(folder, { wanted: 0, limit: 1e9, inUse: none });
    writeFileSync(join(draft, "graph.onnx"), Buffer.alloc(bytes));
    placeDraft(draft, folder, { key, name: digit });
    const then = new Date(Date.now() - days * 24 * 3600 * 1000);
    utimesSync(join(folder, key, "entry.json"), then, then);
    return key;
  }
  const names = () =>
    listPrepared(folder)
      .map(({ name }) => name)
      .sort();

  test("makes room of what was not used for longest", () => {
    entry("a", 1000, 1);
    entry("b", 1000, 3);
    entry("c", 1000, 2);
    newDraft(folder, { wanted: 1500, limit: 4000, inUse: none });
    expect(names()).toEqual(["a", "c"]);
    findEntry(folder, "c".repeat(64));
    newDraft(folder, { wanted: 2000, limit: 4000, inUse: none });
    expect(names()).toEqual(["c"]);
  });

  test("takes nothing that is in use, nor anything for what finds no room after all", () => {
    const [a] = [entry("a", 1000, 3), entry("b", 1000, 1)];
    newDraft(folder, { wanted: 2500, limit: 4000, inUse: new Set([a!]) });
    expect(names()).toEqual(["a"]);
    entry("b", 1000, 1);
    expect(() => newDraft(folder, { wanted: 3500, limit: 4000, inUse: new Set([a!]) })).toThrow(NoRoom);
    expect(() => newDraft(folder, { wanted: 2 ** 60, limit: 2 ** 62, inUse: none })).toThrow(/the disk has .* free/);
    expect(names()).toEqual(["a", "b"]);
  });

  test("is told where it is too small for a network", async () => {
    const { y, notes } = await start(large, { prepared: { folder, limit: 1000 } });
    expect(y).toEqual((await plain()).y);
    expect(notes).toEqual([expect.stringMatching(/^Prepared weights are not kept in .*: they take up to .* limit/)]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("what cannot be kept is drawn without", () => {
  test("where the folder cannot be made", async () => {
    const file = join(mkdtempSync(join(home, "none-")), "file");
    writeFileSync(file, "");
    const { y, notes } = await start(large, { prepared: { folder: join(file, "prepared") } });
    expect(y).toEqual((await plain()).y);
    expect(notes).toEqual([expect.stringContaining("Prepared weights are not kept in")]);
  });

  test.skipIf(process.platform === "win32")("where files may not become so long", async () => {
    writeFileSync(join(home, "model"), serialize(large));
    const program = `
      import { readFileSync } from "node:fs";
      import { deserialize } from "node:v8";
      import { createProcessRuntime } from ${JSON.stringify(new URL("../../dist/runtime/index.js", import.meta.url))};
      const runtime = createProcessRuntime({ device: "cpu", prepared: { folder: ${JSON.stringify(folder)} } });
      const model = deserialize(readFileSync(${JSON.stringify(join(home, "model"))}));
      const session = await runtime.createSession(model, { onNote: console.log });
      console.log(session.outputNames.join());
      await runtime.close();
    `;
    const sh = 'ulimit -f 100; exec "$0" --input-type=module -e "$1"';
    const said = execFileSync("sh", ["-c", sh, process.execPath, program], { encoding: "utf8" });
    const note = `Prepared weights are not kept in ${folder}: EFBIG: file too large, write.`;
    expect(said.trimEnd().split("\n")).toEqual([note, "y"]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("clearing takes what was prepared and leaves what is somebody else's", async () => {
  await start();
  writeFileSync(join(folder, "letter.txt"), "dear");
  mkdirSync(join(folder, "pictures"));
  mkdirSync(join(folder, `.draft-${2 ** 30}-a`));
  const bytes = listPrepared(folder)[0]!.bytes;
  expect(bytes).toBeGreaterThan(9e6);
  expect(clearPrepared(folder)).toMatchObject([{ name: "convolution", bytes }]);
  expect(readdirSync(folder).sort()).toEqual(["letter.txt", "pictures"]);
  expect(clearPrepared(join(home, "none"))).toEqual([]);
});

test("networks with adapters are not prepared, others are", async () => {
  const asked: (boolean | undefined)[] = [];
  const runtime = {
    device: "cpu",
    createSession: async (_: unknown, { prepare }: SessionOptions) => {
      asked.push(prepare);
      throw new Error("seen");
    },
  } as unknown as Runtime;
  const { Graph } = await import("../../src/graph/index.ts");
  const network = (variant: string, adapted: boolean) => ({
    name: "net",
    variant,
    part: { weights: { get: () => undefined, names: () => [], describe: () => "" } } as unknown as ModelPart,
    partial: true,
    build: () => (adapted ? { graph: new Graph("net"), stored: new Map() } : new Graph("net")),
  });
  const sessions = createSessions(runtime);
  await expect(sessions.open(network("a", false))).rejects.toThrow("seen");
  await expect(sessions.open(network("b", true))).rejects.toThrow("seen");
  expect(asked).toEqual([true, false]);
});

test("the folder: what was asked for, the variable, the cache; or none", () => {
  const cache = { XDG_CACHE_HOME: "/c" };
  expect(preparedWeights(undefined, cache)).toEqual({ folder: join("/c", "inkling", "prepared") });
  expect(preparedWeights({ limit: 5 }, { HOME: "/h" })).toEqual({
    folder: join("/h", ".cache", "inkling", "prepared"),
    limit: 5,
  });
  expect(preparedWeights({}, { ...cache, INKLING_PREPARED: "/v" })).toEqual({ folder: "/v" });
  expect(preparedWeights({ folder: "/f" }, { ...cache, INKLING_PREPARED: "off" })).toEqual({ folder: "/f" });
  for (const [asked, env] of [
    [false, cache],
    [{}, { ...cache, INKLING_PREPARED: "off" }],
    [undefined, {}],
  ] as const) {
    expect(preparedWeights(asked, env)).toBeUndefined();
  }
});
