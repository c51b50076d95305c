/** Checkpoints that are saved in other ways than the published ones, opened and drawn with. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clipTextConfig } from "../../src/models/index.ts";
import { modelDefaults } from "../../src/pipelines/defaults.ts";
import { type EmbeddingsEvent, type GenerateSettings, load, type TokensEvent } from "../../src/pipelines/index.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";
import { openCheckpoint, writeSafetensors } from "../../src/weights/index.ts";
import { expectClose } from "../support/compare.ts";
import { need, path, readTensors } from "../support/fixtures.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-odd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const plain = path("checkpoints", "tiny-sd15");
const small = { prompt: "a lady with blue eyes", width: 64, height: 64, steps: 3, seed: 7 };

async function copyOf(checkpoint: string): Promise<string> {
  const copy = await mkdtemp(join(folder, "copy-"));
  await cp(checkpoint, copy, { recursive: true, dereference: true });
  return copy;
}

async function edit(file: string, change: object): Promise<void> {
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
}

/** What is drawn, and what the text encoder was asked for and gave. */
async function draw(checkpoint: string, settings: Partial<GenerateSettings> = {}) {
  const inkling = await load(checkpoint, { device: "cpu", threads: 1 });
  try {
    const seen: { tokens?: TokensEvent; embeddings?: EmbeddingsEvent; data?: Uint8Array } = {};
    for await (const event of inkling.stream({ ...small, ...settings })) {
      if (event.type === "tokens") seen.tokens = event;
      if (event.type === "embeddings") seen.embeddings = event;
      if (event.type === "image") seen.data = event.image.data;
    }
    return seen as Required<typeof seen>;
  } finally {
    await inkling.close();
  }
}

test("rows shorter than the text encoder has positions: the same words, fewer of them", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "tokenizer", "tokenizer_config.json"), { model_max_length: 50 });
  const [short, long] = [await draw(copy), await draw(plain)];
  expect(short.tokens.cond.shape).toEqual([1, 50]);
  const { shape, data } = short.embeddings.cond;
  expect(shape).toEqual([1, 50, long.embeddings.cond.shape[2]]);
  // No word looks at those after it.
  expectClose(data, long.embeddings.cond.data.subarray(0, data.length), 1e-5);
});

test("rows longer than the text encoder has positions are refused", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "tokenizer", "tokenizer_config.json"), { model_max_length: 100 });
  await expect(draw(copy)).rejects.toThrow(/rows of 100 tokens \(model_max_length\), but the text encoder has 77/);
});

test("tokens added to the vocabulary, as a saved textual inversion has them, are found in the prompt", async () => {
  const copy = await copyOf(plain);
  const { vocab_size: size } = JSON.parse(await readFile(join(copy, "text_encoder", "config.json"), "utf8")) as {
    vocab_size: number;
  };
  const file = join(copy, "text_encoder", "model.safetensors");
  const name = "text_model.embeddings.token_embedding.weight";
  const tensors = readTensors("checkpoints", "tiny-sd15", "text_encoder", "model.safetensors");
  const { data, shape } = need(tensors, name) as Tensor<"float32">;
  const width = shape[1]!;
  // The new row is that of "a", one token in every vocabulary.
  const word = (await draw(plain, { prompt: "a" })).tokens.cond;
  const a = Number(word.data[1]);
  const grown = float32([size + 1, width], new Float32Array((size + 1) * width));
  grown.data.set(data);
  grown.data.set(data.subarray(a * width, (a + 1) * width), size * width);
  await writeSafetensors(file, { ...Object.fromEntries(tensors), [name]: grown });
  await edit(join(copy, "text_encoder", "config.json"), { vocab_size: size + 1 });
  await writeFile(join(copy, "tokenizer", "added_tokens.json"), JSON.stringify({ "<Sks>": size }));

  const added = await draw(copy, { prompt: "<sks>-like: a house" });
  const plainWords = await draw(plain, { prompt: "a-like: a house" });
  const want = plainWords.tokens.cond.data.map((id, i) => (i === 1 ? BigInt(size) : id));
  expect([...added.tokens.cond.data]).toEqual([...want]);
  expectClose(added.embeddings.cond, plainWords.embeddings.cond, 1e-6);

  await writeFile(join(copy, "tokenizer", "added_tokens.json"), JSON.stringify({ "<sks>": 5 }));
  await expect(draw(copy)).rejects.toThrow(/tokenizer, with its added tokens, gives .* and "<sks>" the same id, 5/);
  await writeFile(join(copy, "tokenizer", "added_tokens.json"), JSON.stringify({ "<sks>": size + 1 }));
  await expect(draw(copy)).rejects.toThrow(/gives "<sks>" the id .*vocab_size/);
});

test("a scheduler saved with Python's infinities, of the class that model_index.json names", async () => {
  const copy = await copyOf(plain);
  const options = JSON.stringify({
    ...JSON.parse(await readFile(join(copy, "scheduler", "scheduler_config.json"), "utf8")),
    algorithm_type: "dpmsolver++",
    note: "not -Infinity",
    lambda_min_clipped: "<infinite>",
  });
  const file = join(copy, "scheduler", "scheduler_config.json");
  await writeFile(file, options.replace('"<infinite>"', "-Infinity"));
  const named = ["diffusers", "DPMSolverMultistepScheduler"];
  await edit(join(copy, "model_index.json"), { scheduler: named });
  const { scheduler } = await openCheckpoint(copy);
  expect(scheduler).toMatchObject({
    _class_name: named[1],
    lambda_min_clipped: Number.NEGATIVE_INFINITY,
    note: "not -Infinity",
  });
  expect((await draw(copy)).data).toEqual((await draw(plain, { sampler: named[1] })).data);
  await writeFile(file, options.replace('"<infinite>"', "Infinit"));
  await expect(openCheckpoint(copy)).rejects.toThrow(/scheduler_config\.json is not valid JSON/);
});

test("a component of the index without a class leaves the config's own", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "model_index.json"), { scheduler: [null, null] });
  const own = (await openCheckpoint(plain)).scheduler;
  expect((await openCheckpoint(copy)).scheduler).toEqual(own);
});

test("configurations that leave out what their classes have by default", async () => {
  const copy = await copyOf(plain);
  const forget = async (part: string, ...keys: string[]) =>
    edit(join(copy, part, "config.json"), Object.fromEntries(keys.map((key) => [key, undefined])));
  await forget("unet", "_class_name", "sample_size", "down_block_types", "up_block_types", "layers_per_block");
  await edit(join(copy, "unet", "config.json"), { act_fn: "swish" });
  await forget("vae", "_class_name", "scaling_factor");
  await forget("text_encoder", "hidden_act", "layer_norm_eps", "max_position_embeddings");
  expect((await draw(copy)).data).toEqual((await draw(plain)).data);
  for (const size of [null, undefined, [64, 64]]) {
    await edit(join(copy, "unet", "config.json"), { sample_size: size });
    const { width, height } = await modelDefaults(await openCheckpoint(copy));
    expect([width, height]).toEqual([512, 512]);
  }
});

test("the defaults of transformers' CLIPTextConfig", () => {
  expect(clipTextConfig({})).toEqual({
    vocab_size: 49408,
    hidden_size: 512,
    intermediate_size: 2048,
    num_hidden_layers: 12,
    num_attention_heads: 8,
    max_position_embeddings: 77,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
  });
});

test("a text encoder with a projection: nothing looks at it, and nobody remarks on it", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "model_index.json"), { text_encoder: ["transformers", "CLIPTextModelWithProjection"] });
  const file = join(copy, "text_encoder", "model.safetensors");
  const tensors = readTensors("checkpoints", "tiny-sd15", "text_encoder", "model.safetensors");
  await writeSafetensors(file, {
    ...Object.fromEntries(tensors),
    "text_projection.weight": float32([1, 1], [1]),
  });
  const notes: string[] = [];
  const inkling = await load(copy, { device: "cpu", threads: 1, onNote: (line) => notes.push(line) });
  const { images } = await inkling.generate(small);
  await inkling.close();
  expect(notes).toEqual([]);
  expect(images[0]!.data).toEqual((await draw(plain)).data);
});

test("an inkling.json that is broken, or says what cannot be, is named", async () => {
  const copy = await copyOf(plain);
  const file = join(copy, "inkling.json");
  const fault = () => openCheckpoint(copy).then(modelDefaults);
  await writeFile(file, "{");
  await expect(fault()).rejects.toThrow(`${file} is not valid JSON`);
  await writeFile(file, '{"steps": 0}');
  await expect(fault()).rejects.toThrow(`${file}: "steps": `);
});

test("a note says which of several variants was taken, where nobody chose", async () => {
  const copy = await copyOf(path("checkpoints", "tiny-sd15-fp16"));
  expect((await openCheckpoint(copy)).notes).toEqual([]);
  const stem = join(copy, "unet", "diffusion_pytorch_model");
  await cp(`${stem}.fp16.safetensors`, `${stem}.non_ema.safetensors`);
  const { notes, unet } = await openCheckpoint(copy);
  expect(unet.weights.describe()).toBe(`${stem}.fp16.safetensors`);
  expect(notes).toEqual([`${stem}.fp16.safetensors taken of the variants fp16, non_ema`]);
  await cp(`${stem}.fp16.safetensors`, `${stem}.safetensors`);
  expect((await openCheckpoint(copy)).notes).toEqual([]);
});
