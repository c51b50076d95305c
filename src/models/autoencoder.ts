import { taesdConfig, vaeConfig } from "../configs/index.ts";
import type { Graph } from "../graph/index.ts";
import { taesdDecoder, taesdEncoder } from "./taesd.ts";
import { type LatentShape, vaeDecoder, vaeEncoder } from "./vae.ts";

/** What stands between pictures and latents, whichever class it is of. */
export interface Autoencoder {
  /** Pixels per place of the latent, along each side. */
  readonly scale: number;
  /** Latents on their way to the U-Net are multiplied by this. */
  readonly factor: number;
  readonly channels: number;
  /** Its numbers are too large for 16-bit floats. */
  readonly exact: boolean;
  /** "image" [B, 3, H, W] in −1…1 → "mean" and "logvar" (see `vaeEncoder`), or "latents" alone (see `taesdEncoder`). */
  encoder(size: LatentShape): Graph;
  /** "latents" → "image" [B, 3, H, W]. */
  decoder(size: LatentShape): Graph;
}

/** The autoencoder that a config.json describes: an AutoencoderTiny where it says so, else an AutoencoderKL. */
export function autoencoder(json: Readonly<Record<string, unknown>>, file?: string): Autoencoder {
  if (json["_class_name"] === "AutoencoderTiny") {
    const config = taesdConfig(json, file);
    return {
      scale: 2 ** (config.num_decoder_blocks.length - 1),
      factor: config.scaling_factor,
      channels: config.latent_channels,
      exact: false,
      encoder: (size) => taesdEncoder(config, size),
      decoder: (size) => taesdDecoder(config, size),
    };
  }
  const config = vaeConfig(json, file);
  return {
    scale: 2 ** (config.block_out_channels.length - 1),
    factor: config.scaling_factor,
    channels: config.latent_channels,
    exact: config.force_upcast ?? false,
    encoder: (size) => vaeEncoder(config, size),
    decoder: (size) => vaeDecoder(config, size),
  };
}
