import { type ClipTextConfig, clipTextConfig, type UnetConfig, unetConfig } from "../configs/index.ts";
import { type TrainedNoise, trainedNoise } from "../diffusion/index.ts";
import { type Autoencoder, autoencoder } from "../models/index.ts";
import { InputError } from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";
import type { JsonObject, ModelPart, NetworkConfig, TokenizerFiles, WeightStore } from "../weights/index.ts";
import { wordsOf } from "./words.ts";

/** What a diffusion model is made of, before it learns. */
export interface DiffusionParts {
  readonly unet: NetworkConfig & { readonly weights?: WeightStore };
  readonly textEncoder: NetworkConfig & { readonly weights?: WeightStore };
  /** Without one the U-Net learns pixels. */
  readonly vae?: ModelPart;
  readonly tokenizer: TokenizerFiles;
  /** scheduler_config.json */
  readonly scheduler: JsonObject;
  /** inkling.json, if there is one: what suits the model where nothing else is asked for. */
  readonly defaults?: JsonObject;
}

/** The same, its configurations read and found to fit together. Networks without weights begin with fresh ones. */
export interface DiffusionModel extends DiffusionParts {
  readonly config: { readonly unet: UnetConfig; readonly text: ClipTextConfig };
  readonly autoencoder?: Autoencoder;
  /** Pixels per place of what the U-Net sees. */
  readonly scale: number;
  readonly noise: TrainedNoise;
  readonly words: ClipTokenizer;
}

/** @throws InputError naming the file and what of it cannot be learnt, or does not fit the rest */
export function diffusionModel(parts: DiffusionParts): DiffusionModel {
  const unet = unetConfig(parts.unet.config, parts.unet.configFile);
  const text = clipTextConfig(parts.textEncoder.config, parts.textEncoder.configFile);
  const vae = parts.vae && autoencoder(parts.vae.config, parts.vae.configFile);
  const refuse = (what: string): never => {
    throw new InputError(`${parts.unet.configFile}: ${what}.`);
  };
  if (unet.time_cond_proj_dim) refuse('"time_cond_proj_dim": a model distilled with guidance cannot be trained here');
  if (unet.cross_attention_dim !== text.hidden_size) {
    refuse(
      `"cross_attention_dim" is ${unet.cross_attention_dim}, but the text encoder gives ${text.hidden_size} numbers`,
    );
  }
  const channels = vae?.channels ?? 3;
  for (const key of ["in_channels", "out_channels"] as const) {
    if (unet[key] === channels) continue;
    const seen = vae
      ? `latents of its VAE have ${channels}`
      : `pixels, which it learns without a VAE, have ${channels}`;
    refuse(`"${key}" is ${unet[key]}, but ${seen}`);
  }
  const words = wordsOf(parts.tokenizer);
  const noise = trainedNoise(parts.scheduler);
  return { ...parts, config: { unet, text }, autoencoder: vae, scale: vae?.scale ?? 1, noise, words };
}
