/** Weights, models and checkpoint folders that a loader must survive. Pictures: bad-png.test.ts. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createWalk } from "../../src/diffusion/index.ts";
import { clipText, clipTextConfig } from "../../src/models/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import {
  checkWeights,
  findNonFinite,
  openCheckpoint,
  openModelPart,
  openShardedWeights,
  openWeightFile,
  readSafetensors,
  readTensor,
  readTokenizer,
} from "../../src/weights/index.ts";
import { exists, list, path, readJson } from "../support/fixtures.ts";

interface Case {
  readonly file: string;
  readonly wrong: string;
  readonly must: string;
}

const cases = readJson<Case[]>("bad", "cases.json").filter(({ file }) => !file.startsWith("png/"));
const group = (name: string) => cases.filter(({ file }) => file.startsWith(`${name}/`));

/** What opening may cost, whatever a file claims. */
const MOST_BYTES = 16 * 2 ** 20;
const MOST_MILLISECONDS = 1000;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
function temporary(): string {
  folders.push(mkdtempSync(join(tmpdir(), "inkling-bad-")));
  return folders.at(-1)!;
}

/** The message with which `open` refuses; it must be the user's to understand, and cheap to come to. */
async function refusal(open: () => Promise<unknown>): Promise<string> {
  const [started, memory] = [performance.now(), process.memoryUsage().arrayBuffers];
  const error = await open().then(
    () => expect.fail("was accepted"),
    (reason: unknown) => reason,
  );
  expect(performance.now() - started).toBeLessThan(MOST_MILLISECONDS);
  expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(MOST_BYTES);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

test("every case is run", () => {
  const run = ["safetensors", "pickle", "models", "folders"].flatMap(group);
  expect(run.map(({ file }) => file).sort()).toEqual(cases.map(({ file }) => file).sort());
  expect(run.length).toBeGreaterThan(0);
});

describe("safetensors", () => {
  /** Words that a message must hold, by words of what it must do. */
  const SAID: readonly (readonly [must: RegExp, said: RegExp])[] = [
    [/naming the type and the tensor/, /tensor "\w+".*"F\d+"/],
    [/looks like a page/, /web page/],
    [/saying so/, /Git LFS/],
  ];

  test.each(group("safetensors"))("$file: $wrong → $must", async ({ file, must }) => {
    const at = path("bad", file);
    if (must.startsWith("accept")) return expectWhole(at);
    if (must.includes("or accept")) {
      const opened = await readSafetensors(at).catch((error: unknown) => error);
      if (opened instanceof Error) expect(opened).toBeInstanceOf(InputError);
      else return expectWhole(at);
    }
    const message = await refusal(() => openWeightFile(at));
    expect(message).toContain(at);
    for (const [when, said] of SAID) if (when.test(must)) expect(message).toMatch(said);
  });

  /** Names, types, shapes and bytes against the file itself, read here without the library under test. */
  async function expectWhole(at: string): Promise<void> {
    const bytes = readFileSync(at);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<
      string,
      { shape: number[]; data_offsets: [number, number] }
    >;
    const wanted = Object.entries(header).filter(([name]) => name !== "__metadata__");
    const { tensors } = await readSafetensors(at);
    expect([...tensors.keys()]).toEqual(wanted.map(([name]) => name));
    for (const [name, { shape, data_offsets }] of wanted) {
      const { data, ...read } = await readTensor(tensors.get(name)!);
      expect(read.shape).toEqual(shape);
      const raw = bytes.subarray(start + data_offsets[0], start + data_offsets[1]);
      expect(Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(raw), name).toBe(true);
    }
    expect(({} as Record<string, unknown>)["dtype"]).toBeUndefined();
  }
});

describe("pickle", () => {
  test.each(group("pickle"))("$file: $wrong → $must", async ({ file }) => {
    const at = path("bad", file);
    for (const open of [() => openWeightFile(at), () => openCheckpoint(at)]) {
      const message = await refusal(open);
      expect(message).toContain(at);
      expect(message).toMatch(/pickle.*convert it to \.safetensors/);
    }
  });

  test("in a model's folder", async () => {
    const folder = temporary();
    for (const { file } of group("pickle").filter(({ file }) => file.endsWith(".bin"))) {
      cpSync(path("bad", file), join(folder, basename(file)));
      writeFileSync(join(folder, "config.json"), "{}");
      expect(await refusal(() => openModelPart(folder))).toMatch(/pickle.*convert it to \.safetensors/);
    }
  });
});

describe("models", () => {
  /** As the pipeline opens a text encoder: its weights, its graph, one against the other, then its numbers. */
  async function open(folder: string): Promise<readonly string[]> {
    const part = await openModelPart(folder);
    const graph = clipText(clipTextConfig(part.config, part.configFile));
    const wanted = new Map<string, readonly number[]>();
    for (const [name, { shape }] of graph.parameters) wanted.set(name, shape as readonly number[]);
    const warnings = checkWeights(part, wanted);
    const culprit = await findNonFinite(part.weights, wanted.keys());
    if (culprit) throw new InputError(`${part.weights.describe()}: ${culprit.name} holds a ${culprit.value}.`);
    return warnings;
  }

  test.each(group("models"))("$file: $wrong → $must", async ({ file, wrong, must }) => {
    const folder = path("bad", file);
    const tensor = /[\w.]+\.weight/.exec(wrong)?.[0];
    if (must.startsWith("accept")) {
      const warnings = await open(folder);
      expect(warnings).toHaveLength(must.includes("with a warning") ? 1 : 0);
      for (const warning of warnings) for (const name of await strangers(folder)) expect(warning).toContain(name);
      return;
    }
    const message = await refusal(() => open(folder));
    if (/naming the tensor/.test(must)) expect(message).toContain(`${tensor}`);
    if (/both shapes/.test(must)) {
      const [good, bad] = await Promise.all([
        shapeOf(path("bad", "models", "good"), tensor!),
        shapeOf(folder, tensor!),
      ]);
      expect(message).toContain(`[${good}]`);
      expect(message).toContain(`[${bad}]`);
    }
    if (/the type/.test(must)) expect(message).toContain(/is (\w+)$/.exec(wrong)![1]);
    if (/first tensor that disagrees/.test(must)) expect(message).toMatch(/text_model\.\S+ should have the shape/);
    // What is wrong with a configuration is said of its file; what is wrong with the weights, of theirs.
    const configured = basename(file).startsWith("config-") && !must.includes("tensor");
    expect(message).toContain(configured ? `${join(folder, "config.json")}: "` : folder);
    if (/naming the key/.test(must)) expect(message).toContain(/^\w+/.exec(wrong)![0]);
    if (/known values/.test(must)) expect(message).toMatch(/gelu.*quick_gelu/);
  });

  async function shapeOf(folder: string, tensor: string): Promise<readonly number[]> {
    return (await openModelPart(folder)).weights.get(tensor)!.shape;
  }

  /** Names that the good model does not have. */
  async function strangers(folder: string): Promise<string[]> {
    const good = new Set((await openModelPart(path("bad", "models", "good"))).weights.names());
    return [...(await openModelPart(folder)).weights.names()].filter((name) => !good.has(name));
  }
});

describe("folders", () => {
  const opened = new Set<string>();
  const run = (name: string, check: (folder: string, found: Case) => Promise<void>) => {
    const found = group("folders").find(({ file }) => basename(file) === name);
    if (!found) return;
    opened.add(name);
    test(`${name}: ${found.wrong} → ${found.must}`, () => check(path("bad", found.file), found));
  };
  const checkpoint = list("checkpoints").find((name) => exists("checkpoints", name, "model_index.json"))!;

  run("traversal-component", async (folder) => {
    const message = await refusal(() => openCheckpoint(folder));
    expect(message).toContain(join(folder, "model_index.json"));
    expect(message).toMatch(/"\.\.\/.*cannot be a folder inside it/);
  });

  run("traversal-shard", async (folder) => {
    const index = join(folder, "unet", "diffusion_pytorch_model.safetensors.index.json");
    expect(await refusal(() => openShardedWeights(index))).toContain(index);
    const { weight_map: map } = JSON.parse(readFileSync(index, "utf8")) as { weight_map: Record<string, string> };
    const own = join(temporary(), "model.safetensors.index.json");
    for (const [tensor, shard] of Object.entries(map)) {
      writeFileSync(own, JSON.stringify({ weight_map: { [tensor]: shard } }));
      expect(await refusal(() => openShardedWeights(own))).toContain(JSON.stringify(shard));
    }
  });

  run("shard-missing", async (folder) => {
    const index = join(folder, "unet", "diffusion_pytorch_model.safetensors.index.json");
    const { weight_map: map } = JSON.parse(readFileSync(index, "utf8")) as { weight_map: Record<string, string> };
    expect(await refusal(() => openShardedWeights(index))).toContain(Object.values(map)[0]);
  });

  run("custom-code", async (folder) => {
    const message = await refusal(() => openCheckpoint(folder));
    expect(message).toContain(join(folder, "model_index.json"));
    expect(message).toMatch(/never run/);
  });

  run("unknown-class", async (folder) => {
    const { _class_name: name } = JSON.parse(readFileSync(join(folder, "model_index.json"), "utf8")) as {
      _class_name: string;
    };
    const message = await refusal(() => openCheckpoint(folder));
    expect(message).toContain(name);
    expect(message).toMatch(/Supported: StableDiffusionPipeline/);
  });

  run("unknown-scheduler", async (folder) => {
    const whole = temporary();
    cpSync(folder, whole, { recursive: true });
    for (const part of ["unet", "vae", "text_encoder", "tokenizer"]) {
      symlinkSync(path("checkpoints", checkpoint, part), join(whole, part));
    }
    const named = JSON.parse(readFileSync(join(folder, "scheduler", "scheduler_config.json"), "utf8")) as Record<
      string,
      unknown
    >;
    const { scheduler } = await openCheckpoint(whole);
    expect(scheduler).toMatchObject(named);
    expect(() => createWalk({ steps: 4, config: scheduler })).toThrow(String(named["_class_name"]));
    expect(createWalk({ steps: 4, config: scheduler, sampler: "DDIMScheduler" }).calls).toBe(4);
  });

  run("not-json", async (folder) => {
    expect(await refusal(() => openCheckpoint(folder))).toMatch(/model_index\.json is not valid JSON/);
  });

  run("proto-json", async (folder) => {
    await openCheckpoint(folder).catch((error: unknown) => expect(error).toBeInstanceOf(InputError));
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect((Object as unknown as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  run("deep-json", async (folder) => {
    expect(await refusal(() => openCheckpoint(folder))).toMatch(/model_index\.json.*nested/);
  });

  run("tokenizer-merge-unknown", async (folder) => {
    expect(await refusal(() => readTokenizer(join(folder, "tokenizer")))).toMatch(/merges\.txt: line 2, "a b"/);
  });

  run("tokenizer-duplicate-ids", async (folder) => {
    expect(await refusal(() => readTokenizer(join(folder, "tokenizer")))).toMatch(
      /vocab\.json.*"a" and "b" the same id/,
    );
    // The id beyond the table is found where the two meet.
    const whole = temporary();
    cpSync(path("checkpoints", checkpoint), whole, { recursive: true });
    const vocab = {
      ...readJson<Record<string, number>>("checkpoints", checkpoint, "tokenizer", "vocab.json"),
      c: 99999999,
    };
    writeFileSync(join(whole, "tokenizer", "vocab.json"), JSON.stringify(vocab));
    expect(await refusal(() => openCheckpoint(whole))).toMatch(/"c" the id 99999999.*vocab_size/);
  });

  test("every case is run", () => {
    expect([...opened].sort()).toEqual(
      group("folders")
        .map(({ file }) => basename(file))
        .sort(),
    );
  });
});
