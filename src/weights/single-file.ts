import { fileURLToPath } from "node:url";
import { clipTextConfig, unetConfig, vaeConfig } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { FAMILIES, SD_VAE } from "./configs.ts";
import { readSafetensors, readText, type SafetensorsFile } from "./files.ts";
import type { Description, Networks } from "./folder.ts";
import { clipTextKeys, openClipTextKeys } from "./keys/clip-text.ts";
import { below, type Rule, renamed } from "./keys/rename.ts";
import { unetKeys } from "./keys/unet.ts";
import { vaeKeys } from "./keys/vae.ts";
import type { ModelPart, NetworkConfig } from "./model-part.ts";
import { guessPrediction, type PredictionType } from "./prediction.ts";
import { storeOf, type WeightStore } from "./store.ts";
import { isEmpty, openVae } from "./vae.ts";

/**
 * Single files in the original layout (CompVis, Stability AI): one .safetensors with the U-Net, the text encoder and the
 * VAE under prefixes, next to schedule buffers and EMA copies that are left alone, and no configuration at all.
 */

const UNET = "model.diffusion_model.";
const VAE = "first_stage_model.";
/** Where the text encoder lies, and in whose layout. */
const TEXT: readonly (readonly [prefix: string, keys: (layers: number) => readonly Rule[]])[] = [
  ["cond_stage_model.transformer.", () => clipTextKeys],
  ["cond_stage_model.model.", openClipTextKeys],
  ["conditioner.embedders.0.transformer.", () => clipTextKeys],
  ["conditioner.embedders.0.model.", openClipTextKeys],
];

/** Names that tell another kind of file from ours, whatever else it holds, and those that tell a part of a model. */
const FOREIGN: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^conditioner\.embedders\.1\./, "a Stable Diffusion XL checkpoint, which is not supported: SD 1.x and 2.x are"],
  [/joint_blocks\.|double_blocks\./, "a checkpoint of another architecture (SD 3, Flux): SD 1.x and 2.x are supported"],
];
const PARTIAL: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^lora_(unet|te)|\.lora_[AB]\.|\.lora\.(up|down)\.|\.(hada|lokr)_w1/, "an adapter (LoRA) for a model, not a model"],
  [/^emb_params$|^string_to_param/, "a textual-inversion embedding, not a model"],
  [/^down_blocks\.\d/, "the U-Net of a checkpoint folder alone. Give the folder that holds unet/, vae/, text_encoder/"],
  [/^text_model\./, "a text encoder alone. Give the folder that holds unet/, vae/ and text_encoder/"],
  [/^(first_stage_model\.|encoder\.|decoder\.)/, "a VAE alone. Give it with --vae, beside a model"],
];

export interface SingleFile {
  readonly networks: Networks;
  readonly description: Description;
  readonly notes: readonly string[];
}

export interface SingleFileOptions {
  readonly prediction?: PredictionType;
  /** What a checkpoint folder says, instead of the built-in configurations. */
  readonly described?: Description;
  /** A folder or file whose VAE is taken instead of the file's own. */
  readonly vae?: string;
}

/**
 * Opens a single file: tells SD 1.x, 2.x and their inpainting models apart by the shapes of its tensors, and puts every
 * tensor under diffusers' name.
 *
 * @throws InputError naming the file and what it is instead
 */
export async function openSingleFile(path: string, options: SingleFileOptions = {}): Promise<SingleFile> {
  const file = await readSafetensors(path);
  const store = storeOf(file.tensors, path);
  checkIsCheckpoint(store);
  const { description, notes } = options.described
    ? { description: options.described, notes: [] }
    : await describe(file, options.prediction);
  const { unet, textEncoder, vae } = description;
  const networks: Networks = {
    unet: { ...unet, weights: renamed(below(store, UNET), unetKeys(unetConfig(unet.config, unet.configFile))) },
    textEncoder: {
      ...textEncoder,
      weights: textWeights(store, clipTextConfig(textEncoder.config, textEncoder.configFile).num_hidden_layers),
    },
    vae: options.vae ? await openVae(options.vae, vae) : ownVae(store, vae),
  };
  return { networks, description, notes };
}

function checkIsCheckpoint(store: WeightStore): void {
  const names = [...store.names()];
  const complete = names.some((name) => name.startsWith(UNET));
  const other = [...FOREIGN, ...(complete ? [] : PARTIAL)].find(([pattern]) =>
    names.some((name) => pattern.test(name)),
  );
  if (complete && !other) return;
  const what = other?.[1] ?? `no checkpoint: no tensor's name begins with "${UNET}"`;
  throw new InputError(`${store.describe()} is ${what}.`);
}

async function describe(file: SafetensorsFile, prediction: PredictionType | undefined) {
  const shape = (name: string) => file.tensors.get(UNET + name)?.shape;
  const width = shape("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight")?.[1] ?? 0;
  const channels = shape("input_blocks.0.0.weight")?.[1] ?? 0;
  const family = FAMILIES.get(width);
  const known = [...FAMILIES.keys()].join(" (SD 1.x) or ");
  if (!family) {
    const what = width ? `attends to texts of width ${width}, not` : "does not attend to the text in its first block:";
    throw new InputError(
      `${file.path} is no published SD 1.x or 2.x checkpoint: its U-Net ${what} ${known} (SD 2.x). ` +
        "If you have its configuration as a checkpoint folder, give that with --config.",
    );
  }
  if (channels !== 4 && channels !== 9) {
    throw new InputError(
      `${file.path}: its U-Net takes ${channels} channels. Supported: 4 (text to image) and 9 (inpainting).`,
    );
  }
  const guess = prediction ? { type: prediction } : await guessPrediction(file, width, channels);
  const { unet, scheduler } = family.variants[guess.type];
  const description: Description = {
    unet: { config: { ...family.unet, ...unet, in_channels: channels }, configFile: file.path },
    textEncoder: { config: family.textEncoder, configFile: file.path },
    vae: { config: SD_VAE, configFile: file.path },
    tokenizer: { merges: await clipMerges(), specialTokensMap: family.specialTokens },
    scheduler: { ...scheduler, prediction_type: guess.type },
  };
  const notes = guess.reason
    ? [`prediction type taken to be ${guess.type} (${guess.reason}); --prediction overrides it`]
    : [];
  return { description, notes };
}

function ownVae(store: WeightStore, described: NetworkConfig): ModelPart {
  const weights = below(store, VAE);
  if (isEmpty(weights.names())) {
    throw new InputError(`${store.describe()} holds no VAE (no "${VAE}…"). Give one with --vae.`);
  }
  // A folder that lends its configuration may hold a VAE of another class.
  const network =
    described.config["_class_name"] === "AutoencoderKL" ? described : { config: SD_VAE, configFile: store.describe() };
  return { ...network, weights: renamed(weights, vaeKeys(vaeConfig(network.config, network.configFile))) };
}

function textWeights(store: WeightStore, layers: number): WeightStore {
  for (const [prefix, keys] of TEXT) {
    const weights = below(store, prefix);
    if (!isEmpty(weights.names())) return renamed(weights, keys(layers));
  }
  throw new InputError(
    `${store.describe()} holds no text encoder (no "${TEXT[0]![0]}…" or "${TEXT[1]![0]}…"). Take the full checkpoint.`,
  );
}

/** OpenAI's vocabulary, which every published Stable Diffusion 1.x and 2.x uses, comes with the package. */
function clipMerges(): Promise<string> {
  return readText(fileURLToPath(new URL("../../assets/clip/merges.txt", import.meta.url)), 1 << 22);
}
