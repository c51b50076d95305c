/** Losses that the training fixtures do not hold, against torch (test/golden/losses.py) or sums written down here. */
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { gpt2Config, vaeConfig } from "../../src/configs/index.ts";
import { type Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import { vaeDecoder, vaeEncoder } from "../../src/models/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { below, shapesOf, under } from "../../src/training/beginning.ts";
import {
  type Batch,
  captionerLoss,
  createTrainer,
  discriminatorWeights,
  type Frozen,
  gradientGraph,
  pack,
  packingOf,
  rowBatch,
  unpack,
  vaeLoss,
} from "../../src/training/index.ts";
import { need, readJson, readTensors } from "../support/fixtures.ts";

const golden = readTensors(fileURLToPath(new URL("../golden/losses.safetensors", import.meta.url)));
const numbers = (name: string): number[] => Array.from(need(golden, name).data as Float32Array, Number);
const numberOf = (name: string): number => numbers(name)[0]!;

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

interface Computed {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

async function compute(loss: Graph, weights: ReadonlyMap<string, Float32Array>, batch: Batch): Promise<Computed> {
  const packing = packingOf(loss);
  const session = await runtime.createSession(
    toOnnx(lower(gradientGraph(loss, packing), lowerings.cpu), () => {
      throw new Error("The graph has no weights.");
    }),
  );
  const chunks = pack(packing, (name) => weights.get(name)!);
  const fed = chunks.map((values, k) => [`weights.${k}`, float32([values.length], values)]);
  const outputs = await session.run({ ...batch, ...Object.fromEntries(fed) });
  await session.release();
  const flat = packing.chunks.map((_, k) => outputs[`gradients.${k}`]!.data as Float32Array);
  return { loss: (outputs["loss"]!.data as Float32Array)[0]!, gradients: unpack(packing, flat) };
}

function expectGradient(got: ArrayLike<number>, want: readonly number[], name: string): void {
  const largest = want.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  const worst = want.reduce((most, w, i) => Math.max(most, Math.abs(w - got[i]!)), 0);
  expect(got.length, name).toBeGreaterThanOrEqual(want.length);
  expect(worst, name).toBeLessThanOrEqual(1e-4 * largest + 1e-7);
}

const data = (tensors: ReadonlyMap<string, Tensor>): Map<string, Float32Array> =>
  new Map([...tensors].map(([name, tensor]) => [name, tensor.data as Float32Array]));

describe("a captioner", () => {
  const gpt2 = gpt2Config(readJson("training", "gpt2", "config.json"));
  const clipCap = { tokens: 4, embedding_scale: 3, clip_dim: 12 };
  const loss = captionerLoss({ clipCap, hidden: 20, gpt2 }, { batch: 3, tokens: 10 });
  const mapping = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"].map((name): [string, Float32Array] => [
    `prefix.${name}`,
    Float32Array.from(numbers(`captioner.weights.${name}`)),
  ]);
  const stored = readTensors("training", "gpt2", "model.safetensors");
  const weights = new Map([...under("gpt2.", data(stored)), ...mapping]);
  const lengths = Array.from(need(golden, "captioner.lengths").data as BigInt64Array, Number);
  const ids = Array.from(need(golden, "captioner.ids").data as BigInt64Array, Number);
  const rows = lengths.map((length, row) => ids.slice(10 * row, 10 * row + length));
  const batch = { image_embeds: need(golden, "captioner.pictures"), ...rowBatch(rows, 10, 149) };

  it("has the loss of its captions alone, and every gradient", async () => {
    const { loss: got, gradients } = await compute(loss, weights, batch);
    const want = numberOf("captioner.loss");
    expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-5 * want);
    expect([...gradients.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [name, gradient] of gradients) expectGradient(gradient, numbers(`captioner.grad.${name}`), name);
  });

  it.each(["all", "mapping"] as const)("learns as torch's does: %s", async (kind) => {
    const frozen: Frozen = (name) =>
      kind === "mapping" && name.startsWith("gpt2.") ? need(stored, name.slice(5)) : undefined;
    const trainer = await createTrainer(loss, (name) => weights.get(name)!, runtime, { frozen });
    for (const [k, want] of numbers(`captioner.losses.${kind}`).entries()) {
      const { loss: got } = await trainer.step(batch, 1e-3);
      expect(Math.abs(got - want), `loss ${k}`).toBeLessThanOrEqual(1e-5 * 10 ** (k / 9) * want);
    }
    const learnt = [...(await trainer.read("weights")).keys()];
    expect(learnt.length).toBe(kind === "all" ? weights.size : 4);
    await trainer.close();
  });
});

describe("a VAE with a discriminator", () => {
  const config = vaeConfig(readJson("training", "vae", "config.json"));
  const values = 3 * 32 * 32;
  const loss = vaeLoss(config, { batch: 2, height: 16, width: 16, klWeight: 1e-6 / values, adversary: 0.5 });
  const judge = discriminatorWeights(below(shapesOf(loss), "discriminator."), new CpuGenerator(5));
  const weights = new Map([
    ...data(readTensors("training", "vae", "diffusion_pytorch_model.safetensors")),
    ...under("discriminator.", judge),
  ]);
  const batch = { images: need(golden, "vae.images"), noise: need(golden, "vae.noise") };

  it("has LDM's loss, the hinge loss, and the gradients of both apart", async () => {
    const { loss: got, gradients } = await compute(loss, weights, { ...batch, judged: float32([], [1]) });
    const want = numberOf("vae.loss") / values + numberOf("vae.told");
    expect(Math.abs(got - want)).toBeLessThanOrEqual(1e-5 * want);
    const names = [...weights.keys()];
    expect([...gradients.keys()].sort()).toEqual(names.sort());
    for (const [name, gradient] of gradients) {
      if (!name.startsWith("discriminator.")) {
        const theirs = numbers(`vae.grad.${name}`).map((value) => value / values);
        expectGradient(gradient, theirs, name);
        continue;
      }
      const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
      expect(Math.abs(norm - numberOf(`vae.norm.${name}`)), name).toBeLessThanOrEqual(1e-4 * norm + 1e-7);
      expectGradient(gradient, numbers(`vae.first.${name}`), name);
    }
  });

  it("is that of a VAE alone before the discriminator takes part", async () => {
    const alone = vaeLoss(config, { batch: 2, height: 16, width: 16, klWeight: 1e-6 / values });
    const want = await compute(alone, weights, batch);
    const { loss: got, gradients } = await compute(loss, weights, { ...batch, judged: float32([], [0]) });
    expect(got).toBeCloseTo(want.loss, 6);
    for (const [name, gradient] of gradients) {
      const theirs = want.gradients.get(name) ?? new Float32Array(gradient.length);
      expectGradient(gradient, Array.from(theirs), name);
    }
  });
});

describe("a VAE with L2", () => {
  const config = vaeConfig(readJson("training", "vae", "config.json"));
  const size = { height: 16, width: 16 };
  const stored = readTensors("training", "vae", "diffusion_pytorch_model.safetensors");
  const images = need(golden, "vae.images");
  const noise = need(golden, "vae.noise");
  const pixels = images.data as Float32Array;
  /** So that neither part of the loss hides the other. */
  const KL_WEIGHT = 1e-4;
  /** Along the gradient, to both sides: of ten times as much the curvature is seen. */
  const STEP = 1e-4;

  async function runGraph(graph: Graph, weights: ReadonlyMap<string, Tensor>, feeds: Batch) {
    const session = await runtime.createSession(toOnnx(lower(graph, lowerings.cpu), (name) => need(weights, name)));
    const outputs = await session.run(feeds);
    await session.release();
    return (name: string): Float32Array => outputs[name]!.data as Float32Array;
  }

  /** What the parts give, and the loss that sums over it come to, in 64 bits. */
  async function byHand(weights: ReadonlyMap<string, Tensor>) {
    const encoded = await runGraph(vaeEncoder(config, size), weights, { image: images });
    const [means, logvars] = [encoded("mean"), encoded("logvar")];
    const latents = means.map((mean, i) => mean + Math.exp(logvars[i]! / 2) * (noise.data as Float32Array)[i]!);
    const decoded = await runGraph(vaeDecoder(config, size), weights, { latents: float32(noise.shape, latents) });
    const differences = Array.from(decoded("image"), (value, i) => value - pixels[i]!);
    const squares = differences.reduce((sum, difference) => sum + difference ** 2, 0) / pixels.length;
    const spread = means.reduce((sum, mean, i) => sum + mean ** 2 + Math.exp(logvars[i]!) - logvars[i]! - 1, 0);
    return { differences, loss: squares + (KL_WEIGHT * spread) / 2 / 2 };
  }

  const learnt = () =>
    compute(vaeLoss(config, { batch: 2, ...size, distance: "l2", klWeight: KL_WEIGHT }), data(stored), {
      images,
      noise,
    });

  it("has the mean of squares, and its gradient at the end of the decoder", async () => {
    const { loss, gradients } = await learnt();
    const { differences, loss: want } = await byHand(stored);
    expect(Math.abs(loss - want)).toBeLessThanOrEqual(1e-5 * want);
    // A bias is added to every value of its channel.
    const plane = pixels.length / 2 / 3;
    const slopes = [0, 0, 0];
    for (const [i, difference] of differences.entries()) {
      slopes[Math.floor(i / plane) % 3]! += (2 * difference) / pixels.length;
    }
    expectGradient(gradients.get("decoder.conv_out.bias")!, slopes, "decoder.conv_out.bias");
  });

  it("has a gradient along which the loss grows as fast as it is long", async () => {
    const { gradients } = await learnt();
    const squared = [...gradients.values()].flatMap((each) => [...each]).reduce((sum, x) => sum + x * x, 0);
    const moved = async (distance: number): Promise<number> => {
      const along = [...stored].map(([name, { shape, data: values }]): [string, Tensor] => {
        const slope = gradients.get(name)!;
        const step = distance / Math.sqrt(squared);
        return [
          name,
          float32(
            shape,
            (values as Float32Array).map((value, i) => value + step * slope[i]!),
          ),
        ];
      });
      return (await byHand(new Map(along))).loss;
    };
    const rise = ((await moved(STEP)) - (await moved(-STEP))) / (2 * STEP);
    expect(Math.abs(rise / Math.sqrt(squared) - 1)).toBeLessThanOrEqual(1e-3);
  });
});
