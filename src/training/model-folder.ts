import { join } from "node:path";
import type { ClipTokenizer } from "../text/index.ts";
import { encodeSafetensors, type JsonObject, type WeightStore } from "../weights/index.ts";
import { json } from "./checkpoint.ts";
import type { DiffusionParts } from "./diffusion-model.ts";
import {
  configJson,
  isThere,
  type Learnt,
  learntConfig,
  type ModelFile,
  safetensorsOf,
  tokenizerFiles,
  unlearnt,
  writeModelFiles,
} from "./model-files.ts";
import { pixelVae } from "./pixel-vae.ts";

/** A model that is written, and its tokenizer at work. */
type Written = DiffusionParts & { readonly words: ClipTokenizer };

/**
 * Writes a model as a checkpoint folder in diffusers' layout. What was learnt is written anew each time, each file whole or not
 * at all; what was not is written where it is missing.
 *
 * @param learnt by names that begin with "unet.", "text_encoder." or "vae."
 * @throws InputError naming the file that cannot be written
 */
export function writeModelFolder(folder: string, model: Written, learnt: Learnt): Promise<void> {
  return writeModelFiles(folder, filesOf(folder, model, learnt));
}

async function* filesOf(folder: string, model: Written, learnt: Learnt): AsyncGenerator<ModelFile> {
  for (const { name, file, config, weights } of networksOf(model)) {
    yield [`${name}/config.json`, configJson(config)];
    const path = `${name}/${file}`;
    if ([...learnt.weights.keys()].some((each) => each.startsWith(`${name}.`))) {
      yield [path, safetensorsOf(learnt, `${name}.`)];
    } else if (!(await isThere(join(folder, path)))) {
      yield [path, weights ? await unlearnt(weights) : encodeSafetensors(pixelVae.weights())];
    }
  }
  yield* tokenizerFiles("tokenizer/", model.tokenizer, model.words, "CLIPTokenizer");
  yield ["scheduler/scheduler_config.json", json({ ...DDPM, ...model.scheduler })];
  const defaults: JsonObject = { ...(!model.vae && { previewFactors: pixelVae.previewFactors }), ...model.defaults };
  if (Object.keys(defaults).length > 0) yield ["inkling.json", json(defaults)];
  // Last: a folder without it is no checkpoint yet.
  yield ["model_index.json", json(indexOf(model))];
}

interface WrittenNetwork {
  readonly name: string;
  readonly file: string;
  readonly config: object;
  /** Those that it has where it did not learn; only the VAE of pixels has none. */
  readonly weights: WeightStore | undefined;
}

function networksOf({ unet, textEncoder, vae }: Written): WrittenNetwork[] {
  const file = "diffusion_pytorch_model.safetensors";
  return [
    {
      name: "unet",
      file,
      config: { _class_name: "UNet2DConditionModel", ...unet.config },
      weights: unet.weights,
    },
    {
      name: "text_encoder",
      file: "model.safetensors",
      config: { ...CLIP_TEXT, ...learntConfig(textEncoder.config) },
      weights: textEncoder.weights,
    },
    { name: "vae", file, config: vae?.config ?? pixelVae.config, weights: vae?.weights },
  ];
}

const CLIP_TEXT = { architectures: ["CLIPTextModel"], model_type: "clip_text_model" };
const DDPM = { _class_name: "DDPMScheduler" };

function indexOf({ scheduler, vae }: Written): JsonObject {
  return {
    _class_name: "StableDiffusionPipeline",
    feature_extractor: [null, null],
    image_encoder: [null, null],
    requires_safety_checker: false,
    safety_checker: [null, null],
    scheduler: ["diffusers", scheduler["_class_name"] ?? DDPM._class_name],
    text_encoder: ["transformers", "CLIPTextModel"],
    tokenizer: ["transformers", "CLIPTokenizer"],
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", (vae?.config ?? (pixelVae.config as JsonObject))["_class_name"] ?? "AutoencoderKL"],
  };
}
