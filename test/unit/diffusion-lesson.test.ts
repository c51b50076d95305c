import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clipTextConfig, predictionTypes } from "../../src/configs/index.ts";
import { minSnrWeight } from "../../src/diffusion/index.ts";
import { type Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import { autoencoder, clipText, unet } from "../../src/models/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { openFrozen } from "../../src/training/frozen.ts";
import {
  clipTextWeights,
  type DiffusionLessonOptions,
  type DiffusionParts,
  diffusionLesson,
  diffusionModel,
  type ParameterShapes,
  torchWeights,
} from "../../src/training/index.ts";
import { pixelVae } from "../../src/training/pixel-vae.ts";
import { type ModelPart, openCheckpoint, readWeight } from "../../src/weights/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { need, readTensors } from "../support/fixtures.ts";
import { examplesOf, gradientsOf, numbers, SIDE } from "../support/lesson.ts";

let runtime: Runtime;
beforeAll(() => {
  runtime = createNodeRuntime({ device: "cpu", threads: 2 });
});
afterAll(() => runtime.close());

async function parts(): Promise<DiffusionParts> {
  const { unet, textEncoder, vae, tokenizer, scheduler } = await openCheckpoint(plainCheckpoint.folder);
  return { unet, textEncoder, vae, tokenizer, scheduler };
}

async function lessonOf(options: Partial<DiffusionLessonOptions> = {}) {
  const given = { width: SIDE, height: SIDE, trainTextEncoder: false, seed: 1, ...options };
  return diffusionLesson(diffusionModel(await parts()), runtime, given);
}

const examples = examplesOf("a red circle", "a blue star");
const far = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe("a diffusion lesson", () => {
  it("is the same from the same random numbers, and its noise is of the levels that it tells", async () => {
    const lesson = await lessonOf({ snrGamma: 5 });
    const [a, b] = [
      await lesson.batch(examples, new CpuGenerator(5), 0),
      await lesson.batch(examples, new CpuGenerator(5), 0),
    ];
    expect(a).toEqual(b);
    const other = await lesson.batch(examples, new CpuGenerator(6), 0);
    for (const name of ["noise", "timesteps", "latents"]) expect(other[name]).not.toEqual(a[name]);
    const [alpha, sigma] = [numbers(a["alpha"]), numbers(a["sigma"])];
    for (const [i, weight] of numbers(a["weight"]).entries()) {
      expect(Math.abs(alpha[i]! ** 2 + sigma[i]! ** 2 - 1)).toBeLessThan(1e-6);
      const wanted = minSnrWeight((alpha[i]! / sigma[i]!) ** 2, 5, diffusionModel(await parts()).noise.prediction);
      expect(Math.abs(weight - wanted)).toBeLessThan(1e-5);
    }
    await lesson.close();
  });

  it("leaves out captions as often as it is told", async () => {
    const many = Array.from({ length: 200 }, () => examples[0]!);
    for (const [captionDropout, low, high] of [
      [0, 0, 0],
      [0.3, 40, 80],
      [1, 200, 200],
    ] as const) {
      const lesson = await lessonOf({ captionDropout, trainTextEncoder: true });
      const { ids } = await lesson.batch(many, new CpuGenerator(1), 0);
      const empty = diffusionModel(await parts()).words.row("").ids;
      const width = empty.length;
      const rows = many.map((_, i) => Array.from(ids!.data.slice(i * width, (i + 1) * width), Number));
      const count = rows.filter((row) => row.join() === empty.join()).length;
      expect(count).toBeGreaterThanOrEqual(low);
      expect(count).toBeLessThanOrEqual(high);
      await lesson.close();
    }
  });

  it("has the same loss and the same gradients of the U-Net, whether the text encoder is frozen or learns", async () => {
    const [alone, both] = [await lessonOf(), await lessonOf({ trainTextEncoder: true })];
    const [told, ids] = [
      await alone.batch(examples, new CpuGenerator(9), 0),
      await both.batch(examples, new CpuGenerator(9), 0),
    ];
    expect(told["latents"]).toEqual(ids["latents"]);
    const frozen = await gradientsOf(runtime, alone, told);
    const joint = await gradientsOf(runtime, both, ids);
    expect(Math.abs(frozen.loss - joint.loss)).toBeLessThan(1e-5 * joint.loss);
    expect([...frozen.gradients.keys()].every((name) => name.startsWith("unet."))).toBe(true);
    expect([...joint.gradients.keys()].some((name) => name.startsWith("text_encoder."))).toBe(true);
    for (const [name, gradient] of frozen.gradients) {
      const other = Array.from(joint.gradients.get(name)!, Number);
      const largest = Math.max(...other.map(Math.abs));
      expect(far(Array.from(gradient, Number), other), name).toBeLessThanOrEqual(1e-4 * largest + 1e-6);
    }
    await alone.close();
    await both.close();
  });

  it.each(predictionTypes)("is the mean square of what the U-Net misses: %s", async (prediction) => {
    const all = await parts();
    const model = diffusionModel({ ...all, scheduler: { ...all.scheduler, prediction_type: prediction } });
    const given = { width: SIDE, height: SIDE, trainTextEncoder: false, seed: 1 };
    const lesson = await diffusionLesson(model, runtime, given);
    const batch = await lesson.batch(examples, new CpuGenerator(3), 0);
    const { loss } = await gradientsOf(runtime, lesson, batch);

    const { latents, noise, timesteps, encoder_hidden_states } = batch as Record<string, Tensor>;
    const [alpha, sigma, x0, e] = [batch["alpha"], batch["sigma"], latents, noise].map(numbers) as number[][];
    const size = x0!.length / 2;
    const mix = (a: readonly number[], b: readonly number[], sign: 1 | -1) =>
      x0!.map((_, i) => alpha![Math.floor(i / size)]! * a[i]! + sign * sigma![Math.floor(i / size)]! * b[i]!);
    const [, , height, width] = latents!.shape as [number, number, number, number];
    const session = await openFrozen(all.unet as ModelPart, unet(model.config.unet, { height, width }), runtime, 2);
    const sample = float32(latents!.shape, mix(x0!, e!, 1));
    const { out_sample } = await session.run({
      sample,
      timestep: timesteps!,
      encoder_hidden_states: encoder_hidden_states!,
    });
    await session.release();
    const target = { epsilon: e!, sample: x0!, v_prediction: mix(e!, x0!, -1) }[prediction];
    const wanted = numbers(out_sample).reduce((sum, y, i) => sum + (y - target[i]!) ** 2, 0) / target.length;
    expect(Math.abs(loss - wanted)).toBeLessThan(1e-4 * wanted);
    await lesson.close();
  });

  it.each([
    [{ width: SIDE + 1 }, "multiples of"],
    [{ trainTextEncoder: false, fresh: true }, "has to learn too"],
  ])("refuses %j", async ({ fresh, ...options }: Partial<DiffusionLessonOptions> & { fresh?: boolean }, words) => {
    const all = await parts();
    const { weights: _, ...textEncoder } = all.textEncoder;
    const model = diffusionModel(fresh ? { ...all, textEncoder } : all);
    const given = { width: SIDE, height: SIDE, trainTextEncoder: true, seed: 1, ...options };
    await expect(diffusionLesson(model, runtime, given)).rejects.toThrow(words);
  });

  it("refuses a U-Net that does not fit the rest of its model", async () => {
    const all = await parts();
    const unet = (change: object) => ({ ...all, unet: { ...all.unet, config: { ...all.unet.config, ...change } } });
    expect(() => diffusionModel(unet({ in_channels: 9 }))).toThrow(/"in_channels" is 9, but latents of its VAE have 4/);
    expect(() => diffusionModel(unet({ cross_attention_dim: 8 }))).toThrow(/the text encoder gives/);
    expect(() => diffusionModel({ ...all, vae: undefined })).toThrow(/pixels, which it learns without a VAE, have 3/);
  });
});

describe("fresh weights", () => {
  const shapes: ParameterShapes = new Map([
    ["conv.weight", [64, 32, 3, 3]],
    ["conv.bias", [64]],
    ["norm.weight", [64]],
    ["norm.bias", [64]],
    ["linear.weight", [50, 400]],
  ]);

  it("are torch's: uniform by the number of inputs, norms at 1 and 0", () => {
    const weights = torchWeights(shapes, new CpuGenerator(1));
    for (const [name, inputs] of [
      ["conv.weight", 288],
      ["conv.bias", 288],
      ["linear.weight", 400],
    ] as const) {
      const bound = 1 / Math.sqrt(inputs);
      const values = Array.from(weights.get(name)!, Number);
      const largest = Math.max(...values.map(Math.abs));
      expect(largest, name).toBeLessThanOrEqual(bound);
      expect(largest, name).toBeGreaterThan(0.9 * bound);
      const square = values.reduce((sum, x) => sum + x * x, 0) / values.length;
      if (values.length > 1000) expect(Math.abs(square / (bound ** 2 / 3) - 1)).toBeLessThan(0.05);
    }
    expect(weights.get("norm.weight")).toEqual(new Float32Array(64).fill(1));
    expect(weights.get("norm.bias")).toEqual(new Float32Array(64));
    expect(torchWeights(shapes, new CpuGenerator(1))).toEqual(weights);
    expect(torchWeights(shapes, new CpuGenerator(2))).not.toEqual(weights);
  });

  it("of CLIP's text encoder are transformers'", () => {
    const config = clipTextConfig({ vocab_size: 500, hidden_size: 64, intermediate_size: 256, num_hidden_layers: 2 });
    const own = clipText(config);
    const ownShapes = new Map([...own.parameters].map(([name, { shape }]) => [name, shape as number[]]));
    const weights = clipTextWeights(ownShapes, config, new CpuGenerator(1));
    expect([...weights.keys()]).toEqual([...own.parameters.keys()]);
    const deviation = (name: string) => {
      const values = weights.get(`text_model.${name}`)!;
      return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    };
    const layer = "encoder.layers.1";
    for (const [name, wanted] of [
      ["embeddings.token_embedding.weight", 0.02],
      [`${layer}.self_attn.q_proj.weight`, 64 ** -0.5 * 4 ** -0.5],
      [`${layer}.self_attn.out_proj.weight`, 64 ** -0.5],
      [`${layer}.mlp.fc1.weight`, 128 ** -0.5],
      [`${layer}.mlp.fc2.weight`, 64 ** -0.5 * 4 ** -0.5],
    ] as const) {
      expect(Math.abs(deviation(name) / wanted - 1), name).toBeLessThan(0.05);
    }
    expect(deviation(`${layer}.mlp.fc1.bias`)).toBe(0);
    expect(deviation("final_layer_norm.weight")).toBe(1);
  });
});

it("the VAE of a model of pixels passes them on", async () => {
  const size = { height: 4, width: 6 };
  const { encoder, decoder, factor, scale, channels } = autoencoder(pixelVae.config);
  expect([scale, channels]).toEqual([1, 3]);
  const weights = pixelVae.weights();
  const open = (graph: Graph) =>
    runtime.createSession(toOnnx(lower(graph, lowerings.cpu), (name) => weights[name] as Tensor));
  const pixels = float32(
    [1, 3, 4, 6],
    Float32Array.from({ length: 72 }, (_, i) => (i / 71) * 2 - 1),
  );
  const [encode, decode] = [await open(encoder(size)), await open(decoder(size))];
  const { latents } = await encode.run({ image: pixels });
  expect(
    far(
      numbers(latents).map((x) => x * factor),
      numbers(pixels),
    ),
  ).toBeLessThan(1e-6);
  const { image } = await decode.run({ latents: latents! });
  // A quarter of the step between two pixels of 8 bits.
  expect(far(numbers(image), numbers(pixels))).toBeLessThan(0.25 * (2 / 255));
});

it("weights in 8 bits are read with the factors of their rows", async () => {
  const embedded = await openCheckpoint(new URL("../../models/inkdrop-256", import.meta.url).pathname);
  const store = embedded.textEncoder.weights;
  const name = [...store.names()].find((each) => store.get(`${each}.scale`))!;
  const [rows, width] = store.get(name)!.shape as [number, number];
  const values = await readWeight(store, name);
  const stored = readTensors(store.files()[0]!);
  const codes = need(stored, name).data as Int8Array;
  expect(values).toHaveLength(rows * width);
  const largest = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(largest).toBeLessThan(5);
  for (const row of [0, 1, rows - 1]) {
    const ratio = (i: number) => values[row * width + i]! / codes[row * width + i]!;
    const known = Array.from({ length: width }, (_, i) => i).filter((i) => codes[row * width + i] !== 0);
    expect(known.length).toBeGreaterThan(1);
    for (const i of known) expect(Math.abs(ratio(i) / ratio(known[0]!) - 1)).toBeLessThan(1e-6);
  }
});
