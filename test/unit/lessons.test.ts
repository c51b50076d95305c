/** Lessons of VAEs, CLIPs, GPT-2s and captioners, as far as torch has no say in them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clipConfig, gpt2Config } from "../../src/configs/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, tensor } from "../../src/tensor/index.ts";
import { shapesOf } from "../../src/training/beginning.ts";
import {
  captionerLoss,
  clipLoss,
  clipWeights,
  createTrainer,
  gpt2Loss,
  gpt2Weights,
  openCache,
  rowBatch,
  torchWeights,
  vaeLesson,
  vaeModel,
} from "../../src/training/index.ts";
import { configJson, unlearnt, writeModelFiles } from "../../src/training/model-files.ts";
import { openPictureEmbeddings } from "../../src/training/picture-embeddings.ts";
import { type JsonObject, openClipFolder, openWeightFile, writeSafetensors } from "../../src/weights/index.ts";
import { path as fixturePath, readJson, readTensors } from "../support/fixtures.ts";

let runtime: Runtime;
let folder = "";
beforeAll(() => {
  runtime = createNodeRuntime({ device: "cpu", threads: 1 });
});
afterAll(() => runtime.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-lessons-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const deviation = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

describe("the captioner's loss", () => {
  const gpt2 = gpt2Config({ vocab_size: 30, n_positions: 16, n_embd: 16, n_layer: 1, n_head: 2 });
  const clipCap = { tokens: 3, embedding_scale: 2, clip_dim: 6 };
  const loss = captionerLoss({ clipCap, hidden: 12, gpt2 }, { batch: 2, tokens: 7 });
  const shapes = shapesOf(loss);
  const weights = torchWeights(shapes, new CpuGenerator(1));
  const pictures = float32(
    [2, 6],
    Array.from(new CpuGenerator(2).randn([12]), (x) => x / 3),
  );
  const rows = [
    [29, 4, 8, 15, 16, 23, 29],
    [29, 7, 2, 29],
  ];

  /** The loss at the weights and `far` along a direction. */
  async function lossAt(direction: ReadonlyMap<string, Float32Array>, far: number): Promise<number> {
    const at = (name: string) => weights.get(name)!.map((w, i) => w + far * (direction.get(name)?.[i] ?? 0));
    const trainer = await createTrainer(loss, at, runtime);
    const result = await trainer.step({ image_embeds: pictures, ...rowBatch(rows, 7, 29) }, 0);
    await trainer.close();
    return result.loss;
  }

  it.each(["prefix.", "gpt2."])("falls along its gradient as finite differences say: %s", async (part) => {
    // A step of plain descent, taken from what AdamW remembers of a first one: its first moment is a tenth of the gradient.
    const trainer = await createTrainer(loss, (name) => weights.get(name)!, runtime, { maxNorm: 1e9 });
    await trainer.step({ image_embeds: pictures, ...rowBatch(rows, 7, 29) }, 0);
    const moments = await trainer.read("first_moment");
    await trainer.close();
    const gradient = new Map(
      [...moments].filter(([name]) => name.startsWith(part)).map(([n, m]) => [n, m.map((x) => 10 * x)]),
    );
    const square = [...gradient.values()].reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0);
    const far = 0.02 / Math.sqrt(square);
    const slope = ((await lossAt(gradient, far)) - (await lossAt(gradient, -far))) / (2 * far);
    expect(Math.abs(slope - square)).toBeLessThan(5e-3 * square);
  });

  it("does not see what stands where a caption is padded", async () => {
    const trainer = await createTrainer(loss, (name) => weights.get(name)!, runtime);
    const [a, b] = await Promise.all(
      [29, 11].map(async (pad) => (await trainer.step({ image_embeds: pictures, ...rowBatch(rows, 7, pad) }, 0)).loss),
    );
    await trainer.close();
    expect(a).toBe(b);
  });
});

describe("CLIP's view of pictures", () => {
  it("is computed once, and kept in a folder by what the pictures are", async () => {
    const { part, config, image } = await openClipFolder(fixturePath("vision", "model"));
    const colour = (shade: number) => ({ width: 40, height: 30, data: new Uint8Array(3600).fill(shade) });
    const cache = openCache(folder, { identity: "a CLIP" });
    const open = () => openPictureEmbeddings({ config, preparing: image }, part.weights, runtime, cache);
    const first = await open();
    const seen = await first.of([colour(10), colour(200)]);
    await first.close();
    const rows = [0, 1].map((i) => seen.data.slice(i * config.projection, (i + 1) * config.projection));
    for (const row of rows) expect(deviation(row) * Math.sqrt(row.length)).toBeCloseTo(1, 5);
    expect(rows[0]).not.toEqual(rows[1]);
    const second = await open();
    await second.close();
    // Its session is gone: what it knows lies in the folder.
    expect((await second.of([colour(200)])).data).toEqual(rows[1]);
    await expect(second.of([colour(100)])).rejects.toThrow();
  });
});

describe("fresh weights", () => {
  it("of a CLIP have transformers' deviations in both towers", () => {
    const tower = { hidden_size: 64, intermediate_size: 256, num_hidden_layers: 2, num_attention_heads: 4 };
    const config = clipConfig({
      projection_dim: 32,
      text_config: { ...tower, vocab_size: 500 },
      vision_config: { ...tower, hidden_size: 128, image_size: 32, patch_size: 8 },
    });
    const weights = clipWeights(shapesOf(clipLoss(config, { batch: 2, tokens: 10 })), config, new CpuGenerator(1));
    const near = (name: string, want: number) => expect(deviation(weights.get(name)!) / want, name).toBeCloseTo(1, 0);
    near("text_model.embeddings.token_embedding.weight", 0.02);
    near("text_model.encoder.layers.0.self_attn.q_proj.weight", 64 ** -0.5 / 2);
    near("vision_model.encoder.layers.1.self_attn.q_proj.weight", 128 ** -0.5 / 2);
    near("vision_model.encoder.layers.1.mlp.fc1.weight", 256 ** -0.5);
    near("vision_model.embeddings.class_embedding", 128 ** -0.5);
    near("vision_model.embeddings.patch_embedding.weight", 0.02);
    near("visual_projection.weight", 128 ** -0.5);
    expect(weights.get("vision_model.pre_layrnorm.weight")).toEqual(new Float32Array(128).fill(1));
    expect(weights.get("logit_scale")).toEqual(Float32Array.of(2.6592));
  });

  it("of a GPT-2 are smaller where they add to the residual stream", () => {
    const config = gpt2Config({ vocab_size: 500, n_positions: 16, n_embd: 64, n_layer: 8, n_head: 2 });
    const weights = gpt2Weights(shapesOf(gpt2Loss(config, { batch: 1, tokens: 4 })), config, new CpuGenerator(1));
    expect(deviation(weights.get("wte.weight")!)).toBeCloseTo(0.02, 3);
    expect(deviation(weights.get("h.3.mlp.c_fc.weight")!)).toBeCloseTo(0.02, 3);
    expect(deviation(weights.get("h.3.mlp.c_proj.weight")!)).toBeCloseTo(0.005, 3);
    expect(weights.get("ln_f.weight")).toEqual(new Float32Array(64).fill(1));
    expect(weights.get("h.0.attn.c_attn.bias")).toEqual(new Float32Array(192));
  });
});

describe("a VAE's lesson", () => {
  const config = readJson<JsonObject>("training", "vae", "config.json");
  const model = () => vaeModel({ vae: { config, configFile: "vae/config.json" } });

  it("lets its discriminator take part from its step on", async () => {
    const lesson = await vaeLesson(model(), {
      width: 24,
      height: 24,
      seed: 1,
      discriminator: 1,
      discriminatorStart: 3,
    });
    const examples = [{ key: "", caption: "", picture: { width: 24, height: 24, data: new Uint8Array(1728) } }];
    const judged = async (step: number) => (await lesson.batch(examples, new CpuGenerator(1), step))["judged"]!.data[0];
    expect([await judged(2), await judged(3)]).toEqual([0, 1]);
  });

  it("refuses what it cannot teach", async () => {
    const teach = (size: number, discriminator = 0) =>
      vaeLesson(model(), { width: size, height: size, seed: 1, discriminator });
    await expect(teach(31)).rejects.toThrow("sides in multiples of 2");
    await expect(teach(16, 1)).rejects.toThrow("sides of 24 pixels or more");
    const tiny = { config: { _class_name: "AutoencoderTiny" }, configFile: "taesd/config.json" };
    expect(() => vaeModel({ vae: tiny })).toThrow("taesd/config.json is an AutoencoderTiny");
  });
});

it("weights in 8 bits that did not learn are written multiplied out", async () => {
  const [stored, written] = [join(folder, "stored.safetensors"), join(folder, "written.safetensors")];
  const eighth = tensor("int8", [2, 2], Int8Array.of(1, -2, 3, 4));
  const whole = float32([1], [7]);
  await writeSafetensors(stored, { a: eighth, "a.scale": float32([2, 1], [0.5, 2]), b: whole });
  await writeModelFiles(folder, [["written.safetensors", await unlearnt(await openWeightFile(stored))]]);
  const got = readTensors(written);
  expect(got).toEqual(
    new Map([
      ["a", float32([2, 2], [0.5, -1, 6, 8])],
      ["b", whole],
    ]),
  );
});

it("numbers that transformers wants as floats are written as such", () => {
  const text = new TextDecoder().decode(
    configJson({ initializer_factor: 1, in: { layer_norm_eps: 1e-5, initializer_range: 2 }, n: 1 }),
  );
  expect(text).toContain('"initializer_factor": 1.0,');
  expect(text).toContain('"initializer_range": 2.0\n');
  expect(text).toContain('"layer_norm_eps": 0.00001,');
  expect(text).toContain('"n": 1\n');
  expect(JSON.parse(text)).toEqual({ initializer_factor: 1, in: { layer_norm_eps: 1e-5, initializer_range: 2 }, n: 1 });
});
