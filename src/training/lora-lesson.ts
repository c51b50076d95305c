import { join } from "node:path";
import type { AdapterFormat } from "../configs/index.ts";
import type { Graph } from "../graph/index.ts";
import { saveBytes } from "../image/index.ts";
import { adaptableLayers, type LoraSize, withLora } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32 } from "../tensor/index.ts";
import { type AdaptedPart, encodeSafetensors, type LoraLayer, loraTensors } from "../weights/index.ts";
import { freshness, shapesOf } from "./beginning.ts";
import { type DiffusionBatchOptions, openDiffusionBatches } from "./diffusion-batches.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { frozenWeights } from "./frozen.ts";
import { type ParameterShapes, torchWeights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import { type LoraTarget, loraTargets } from "./limits.ts";
import { diffusionLoss } from "./losses/diffusion.ts";
import { toldAsEmbeddings, toldAsIds } from "./told.ts";

export interface LoraLessonOptions extends DiffusionBatchOptions, LoraSize {
  readonly targets: LoraTarget;
  /** Whether the text encoder gets one too. */
  readonly trainTextEncoder: boolean;
  /** Fixes where it begins. */
  readonly seed: number;
  readonly format: AdapterFormat;
  /** The file that is written to the run's folder. */
  readonly file: string;
  /** Texts for its header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What belongs to each target and not to the one before it. */
const LAYERS: Readonly<Record<AdaptedPart, Readonly<Partial<Record<LoraTarget, RegExp>>>>> = {
  unet: {
    attention: /\.attn[12]\.to_(q|k|v|out\.0)$/,
    transformers: /\.(ff\.net\.(0\.proj|2)|proj_in|proj_out)$/,
    convolutions: /\.(resnets|downsamplers|upsamplers)\./,
  },
  text_encoder: { attention: /\.self_attn\.(q|k|v|out)_proj$/, transformers: /\.mlp\.fc[12]$/ },
};

/**
 * A LoRA (Hu et al. 2022) that learns beside the weights of a diffusion model, which stay in their files as they are: the loss
 * and the batches are those of the model itself.
 *
 * @throws InputError where the size does not fit the model, or its weights do not fit its configuration
 */
export async function loraLesson(model: DiffusionModel, runtime: Runtime, options: LoraLessonOptions): Promise<Lesson> {
  const { trainTextEncoder, targets, seed, format } = options;
  const { config, noise, words } = model;
  const told = () => (trainTextEncoder ? toldAsIds(model) : toldAsEmbeddings(model, runtime, options));
  const { height, width, of: batch, close } = await openDiffusionBatches(model, options, runtime, told);
  const loss = (count: number): Graph =>
    diffusionLoss(
      {
        unet: config.unet,
        prediction: noise.prediction,
        extend: (part, network) => withLora(network, targetsIn(part, network, targets), options),
        ...(trainTextEncoder && { text: config.text }),
      },
      { batch: count, height, width, tokens: words.maxLength },
    );
  const one = loss(1);
  const frozen = frozenWeights(one, model, (name) => /\.lora_(down|up)$/.test(name));
  const shapes = new Map([...shapesOf(one)].filter(([name]) => !frozen(name)));
  const begin = beginning(shapes, seed);
  return {
    loss,
    frozen,
    initial: (name) => begin.get(name)!,
    batch,
    async write(folder, weights) {
      const tensors = loraTensors(layersOf(weights, shapes), options, format);
      await saveBytes(join(folder, options.file), encodeSafetensors(tensors, options.metadata), { overwrite: true });
    },
    close,
  };
}

/** The layers of a network that belong to a target. */
export function targetsIn(part: AdaptedPart, network: Graph, target: LoraTarget): ReadonlySet<string> {
  const patterns = loraTargets.slice(0, loraTargets.indexOf(target) + 1).flatMap((each) => LAYERS[part][each] ?? []);
  return new Set(adaptableLayers(network).filter((layer) => patterns.some((pattern) => pattern.test(layer))));
}

/** As peft begins: down as a linear layer of torch, up with zeros, so that at first nothing is changed. */
function beginning(shapes: ParameterShapes, seed: number): ReadonlyMap<string, Float32Array> {
  const begin = torchWeights(shapes, freshness(seed));
  for (const [name, values] of begin) if (name.endsWith(".lora_up")) values.fill(0);
  return begin;
}

function* layersOf(weights: ReadonlyMap<string, Float32Array>, shapes: ParameterShapes): Generator<LoraLayer> {
  for (const [name, shape] of shapes) {
    const [, part, layer] = /^(unet|text_encoder)\.(.+)\.lora_down$/.exec(name) ?? [];
    if (!part || !layer) continue;
    const up = `${part}.${layer}.lora_up`;
    yield {
      part: part as AdaptedPart,
      layer,
      down: float32(shape, weights.get(name)!),
      up: float32(shapes.get(up)!, weights.get(up)!),
    };
  }
}
