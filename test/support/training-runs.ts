/** The training fixtures: losses, gradients and the next steps of small models, and what every device owes to them. */
import { expect } from "vitest";
import { clipConfig, clipTextConfig, gpt2Config, unetConfig, vaeConfig } from "../../src/configs/index.ts";
import { alphasCumprod, betas, minSnrWeight } from "../../src/diffusion/index.ts";
import { type Graph, toOnnx } from "../../src/graph/index.ts";
import { textEnds } from "../../src/models/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { float32, int64, sizeOf, type Tensor, tensor } from "../../src/tensor/index.ts";
import {
  clipLoss,
  createTrainer,
  diffusionLoss,
  gpt2Loss,
  type Packing,
  pack,
  packingOf,
  type Trainer,
  unpack,
  vaeLoss,
} from "../../src/training/index.ts";
import { need, readJson, readTensors } from "./fixtures.ts";
import { noWeights } from "./rules.ts";

/** Everything that is compared of one training run. */
export interface TrainingRun {
  readonly name: string;
  readonly loss: Graph;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly batches: readonly Readonly<Record<string, Tensor>>[];
  readonly gradients: ReadonlyMap<string, Tensor>;
  /** Absent where the fixtures hold gradients alone. */
  readonly steps?: ReadonlyMap<string, Tensor>;
}

/** Row k of a batch file's tensor. */
function row<T extends Tensor>({ dtype, shape, data }: T, k: number): Tensor {
  const rest = shape.slice(1);
  const size = sizeOf(rest);
  return tensor(dtype, rest, data.slice(k * size, (k + 1) * size) as never);
}

const rowsOf = (stored: Tensor): Tensor[] => Array.from({ length: stored.shape[0]! }, (_, k) => row(stored, k));
const numbers = ({ data }: Tensor): number[] => Array.from(data as Float32Array, Number);

function diffusionRuns(): TrainingRun[] {
  const batch = readTensors("training", "unet", "batch.safetensors");
  const weights = new Map<string, Tensor>();
  for (const [prefix, file] of [
    ["unet", "diffusion_pytorch_model.safetensors"],
    ["text_encoder", "model.safetensors"],
  ] as const) {
    for (const [name, value] of readTensors("training", "unet", prefix, file)) weights.set(`${prefix}.${name}`, value);
  }
  const unet = unetConfig(readJson("training", "unet", "unet", "config.json"));
  const text = clipTextConfig(readJson("training", "unet", "text_encoder", "config.json"));
  const alphas = alphasCumprod(betas("scaled_linear", { steps: 1000, start: 0.00085, end: 0.012 }));
  const [, pictures, , height, width] = need(batch, "latents").shape as [number, number, number, number, number];
  const tokens = need(batch, "ids").shape[2]!;
  return ["epsilon", "v", "minsnr", "minsnr-v"].map((name) => {
    const prediction = name.endsWith("v") ? "v_prediction" : "epsilon";
    const batches = rowsOf(need(batch, "latents")).map((latents, k) => {
      const timesteps = numbers(row(need(batch, "timesteps"), k));
      const levels = timesteps.map((t) => alphas[t]!);
      const each = (value: (alpha: number) => number) => float32([pictures, 1, 1, 1], levels.map(value));
      return {
        latents,
        noise: row(need(batch, "noise"), k),
        ids: row(need(batch, "ids"), k),
        timesteps: float32([pictures], timesteps),
        alpha: each((alpha) => Math.sqrt(alpha)),
        sigma: each((alpha) => Math.sqrt(1 - alpha)),
        weight: each((alpha) => (name.startsWith("minsnr") ? minSnrWeight(alpha / (1 - alpha), 5, prediction) : 1)),
      };
    });
    const stepped = !name.startsWith("minsnr");
    return {
      name: `unet, ${name}`,
      loss: diffusionLoss({ unet, text, prediction }, { batch: pictures, height, width, tokens }),
      weights,
      batches,
      gradients: readTensors("training", "unet", `gradients-${name}.safetensors`),
      ...(stepped && { steps: readTensors("training", "unet", `steps-${name}.safetensors`) }),
    };
  });
}

function vaeRun(): TrainingRun {
  const batch = readTensors("training", "vae", "batch.safetensors");
  const [, pictures, , height, width] = need(batch, "noise").shape as [number, number, number, number, number];
  const config = vaeConfig(readJson("training", "vae", "config.json"));
  const noise = rowsOf(need(batch, "noise"));
  return {
    name: "vae",
    loss: vaeLoss(config, { batch: pictures, height, width }),
    weights: readTensors("training", "vae", "diffusion_pytorch_model.safetensors"),
    batches: rowsOf(need(batch, "images")).map((images, k) => ({ images, noise: noise[k]! })),
    gradients: readTensors("training", "vae", "gradients.safetensors"),
    steps: readTensors("training", "vae", "steps.safetensors"),
  };
}

function clipRun(): TrainingRun {
  const batch = readTensors("training", "clip", "batch.safetensors");
  const config = clipConfig(readJson("training", "clip", "config.json"));
  const [, pairs, tokens] = need(batch, "ids").shape as [number, number, number];
  return {
    name: "clip",
    loss: clipLoss(config, { batch: pairs, tokens }),
    weights: readTensors("training", "clip", "model.safetensors"),
    batches: rowsOf(need(batch, "ids")).map((stored, k) => {
      const ids = int64(stored.shape, Array.from(stored.data as BigInt64Array));
      return { ids, ends: textEnds(ids, config.eos), pixels: row(need(batch, "pixels"), k) };
    }),
    gradients: readTensors("training", "clip", "gradients.safetensors"),
    steps: readTensors("training", "clip", "steps.safetensors"),
  };
}

function gpt2Run(): TrainingRun {
  const batch = readTensors("training", "gpt2", "batch.safetensors");
  const [, texts, tokens] = need(batch, "ids").shape as [number, number, number];
  const weights = float32([texts, tokens - 1, 1], Array(texts * (tokens - 1)).fill(1));
  return {
    name: "gpt2",
    loss: gpt2Loss(gpt2Config(readJson("training", "gpt2", "config.json")), { batch: texts, tokens }),
    weights: readTensors("training", "gpt2", "model.safetensors"),
    batches: rowsOf(need(batch, "ids")).map((ids) => ({ ids, weights })),
    gradients: readTensors("training", "gpt2", "gradients.safetensors"),
    steps: readTensors("training", "gpt2", "steps.safetensors"),
  };
}

/** Softmax does not see what is added to all keys: their gradient is rounding, which Adam blows up to steps. */
const isKeyBias = (name: string, i: number, length: number): boolean =>
  /(k_proj|to_k)\.bias$/.test(name) || (/c_attn\.bias$/.test(name) && i >= length / 3 && i < (2 * length) / 3);

export const trainingRuns = (): TrainingRun[] => [...diffusionRuns(), vaeRun(), clipRun(), gpt2Run()];

const initialOf =
  ({ weights }: TrainingRun) =>
  (name: string) =>
    need(weights, name).data as Float32Array;

/**
 * Expects the loss of the first batch and every gradient.
 *
 * @param written the graph of gradients, as the runtime's device wants it
 */
export async function expectFirst(
  run: TrainingRun,
  runtime: Runtime,
  written: (loss: Graph, packing: Packing) => Graph,
): Promise<void> {
  const { loss, batches, gradients } = run;
  const packing = packingOf(loss, 10_000);
  expect(packing.chunks.length).toBeGreaterThan(1);
  const session = await runtime.createSession(toOnnx(written(loss, packing), noWeights));
  const chunks = pack(packing, initialOf(run)).map((values, k) => [`weights.${k}`, float32([values.length], values)]);
  const outputs = await session.run({ ...batches[0], ...Object.fromEntries(chunks) });
  await session.release();
  const want = numbers(need(gradients, "loss"))[0]!;
  expect(Math.abs(numbers(outputs["loss"]!)[0]! - want)).toBeLessThanOrEqual(1e-5 * want);

  const flat = packing.chunks.map((_, k) => outputs[`gradients.${k}`]!.data as Float32Array);
  const got = unpack(packing, flat);
  const names = [...gradients.keys()].filter((name) => name.startsWith("grad.")).map((name) => name.slice(5));
  expect([...got.keys()].sort()).toEqual(names.sort());
  for (const name of names) {
    const stored = numbers(need(gradients, `grad.${name}`));
    const largest = Math.max(...stored.map(Math.abs));
    const error = (g: number, i: number) => (isKeyBias(name, i, stored.length) ? 0 : Math.abs(g - got.get(name)![i]!));
    const worst = Math.max(...stored.map(error));
    expect(worst, name).toBeLessThanOrEqual(1e-4 * largest + 1e-7);
  }
}

/** The optimizer that took the fixtures' steps. */
export const fixtureOptimizer = { emaDecay: 0.95 };

export const openTrainer = (run: TrainingRun, runtime: Runtime): Promise<Trainer> =>
  createTrainer(run.loss, initialOf(run), runtime, fixtureOptimizer);

/** Expects the losses of the next steps, and the weights and their average after the last. */
export async function expectSteps(
  { batches, steps: stored }: TrainingRun,
  trainer: Pick<Trainer, "step" | "read" | "close">,
): Promise<void> {
  const steps = stored!;
  const losses = numbers(need(steps, "losses"));
  const norms = numbers(need(steps, "grad_norms"));
  for (const [k, want] of losses.entries()) {
    const result = await trainer.step(batches[k]!, 1e-3);
    // 1e-5 for the first step, growing to 1e-4 by the tenth.
    const tolerance = 1e-5 * 10 ** (k / 9);
    expect(Math.abs(result.loss - want), `loss ${k}`).toBeLessThanOrEqual(tolerance * want);
    expect(Math.abs(result.norm - norms[k]!), `norm ${k}`).toBeLessThanOrEqual(1e-3 * norms[k]!);
  }
  for (const [state, prefix] of [
    ["weights", "weights."],
    ["ema", "ema."],
  ] as const) {
    const got = await trainer.read(state);
    const names = [...steps.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    expect([...got.keys()].sort()).toEqual(names.sort());
    const errors = names.flatMap((name) =>
      numbers(need(steps, prefix + name)).flatMap((w, i, all) =>
        isKeyBias(name, i, all.length) ? [] : [Math.abs(w - got.get(name)![i]!)],
      ),
    );
    const far = errors.filter((error) => error > 1e-4).length;
    expect(far / errors.length, `${state} beyond 1e-4`).toBeLessThanOrEqual(1e-3);
    expect(
      errors.reduce((a, b) => Math.max(a, b)),
      state,
    ).toBeLessThanOrEqual(5e-4);
  }
  await trainer.close();
}
