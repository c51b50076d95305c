/** Losses that the training fixtures do not hold, against torch (test/golden/losses.py). */
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { gpt2Config, vaeConfig } from "../../src/configs/index.ts";
import { type Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
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
