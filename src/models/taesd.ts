/**
 * The tiny autoencoder for previews and fast decoding (TAESD, https://github.com/madebyollin/taesd) in the layout of
 * diffusers' AutoencoderTiny. It reads and writes the latents of the U-Net as they are: no scaling factor.
 * B batch, H × W places of the latent, 8H × 8W pixels.
 */
import type { TaesdConfig } from "../configs/index.ts";
import { add, clip, Graph, mul, relu, resizeNearest, sub, tanh, type Value } from "../graph/index.ts";
import { conv2d, repeat } from "./layers.ts";
import type { LatentShape } from "./vae.ts";

/** "latents" [B, 4, H, W] → "image" [B, 3, 8H, 8W] in about −1…1. */
export function taesdDecoder(config: TaesdConfig, { height, width }: LatentShape): Graph {
  const blocks = config.num_decoder_blocks;
  const g = new Graph("tiny_decoder");
  const latents = g.input("latents", "float32", ["batch", config.latent_channels, height, width]);
  // Latents far outside the usual range are bent back instead of cut off.
  const bent = mul(tanh(mul(latents, 1 / 3)), 3);
  const image = sequence(bent, "decoder.layers", [
    (x) => conv(x, config.decoder_block_out_channels[0]!),
    relu,
    ...blocks.flatMap((count, level): Module[] => {
      const [width, last] = [config.decoder_block_out_channels[level]!, level === blocks.length - 1];
      return [
        ...repeat(count).map(() => (x: Value) => tinyBlock(x, width)),
        ...(last ? [] : [double]),
        (x) => conv(x, last ? config.out_channels : width, { bias: last }),
      ];
    }),
  ]);
  g.output("image", sub(mul(image, 2), 1));
  return g;
}

/** "image" [B, 3, 8H, 8W] in −1…1 → "latents" [B, 4, H, W]. */
export function taesdEncoder(config: TaesdConfig, { height, width }: LatentShape): Graph {
  const blocks = config.num_encoder_blocks;
  const scale = 2 ** (blocks.length - 1);
  const g = new Graph("tiny_encoder");
  const image = g.input("image", "float32", ["batch", config.in_channels, height * scale, width * scale]);
  const latents = sequence(mul(add(image, 1), 0.5), "encoder.layers", [
    ...blocks.flatMap((count, level): Module[] => {
      const width = config.encoder_block_out_channels[level]!;
      return [
        (x) => (level === 0 ? conv(x, width) : conv(x, width, { stride: 2, bias: false })),
        ...repeat(count).map(() => (x: Value) => tinyBlock(x, width)),
      ];
    }),
    (x) => conv(x, config.latent_channels),
  ]);
  g.output("latents", latents);
  return g;
}

/** Latents as fractions of their usual range, 0…1, cut off beyond it: what is stored in 8 bits or shown as a picture. */
export function scaleLatents(latents: Value, config: TaesdConfig): Value {
  return clip(add(mul(latents, 1 / (2 * config.latent_magnitude)), config.latent_shift), 0, 1);
}

/** The latents that {@link scaleLatents} was given, as far as they were within their usual range. */
export function unscaleLatents(scaled: Value, config: TaesdConfig): Value {
  return mul(sub(scaled, config.latent_shift), 2 * config.latent_magnitude);
}

type Module = (x: Value) => Value;

/** torch.nn.Sequential: the place in the list is the module's name. */
function sequence(x: Value, name: string, modules: readonly Module[]): Value {
  return x.graph.scope(name, () => modules.reduce((h, module, i) => x.graph.scope(`${i}`, () => module(h)), x));
}

const conv = (x: Value, channels: number, options?: { stride?: number; bias?: boolean }) =>
  conv2d("", x, channels, options);

const double = (x: Value) => resizeNearest(x, [2 * (x.shape[2] as number), 2 * (x.shape[3] as number)]);

/** Three convolutions on a residual stream. */
function tinyBlock(x: Value, channels: number): Value {
  let h = x;
  for (const i of [0, 2, 4]) {
    h = conv2d(`conv.${i}`, h, channels);
    if (i < 4) h = relu(h);
  }
  const skip = x.shape[1] === channels ? x : conv2d("skip", x, channels, { kernel: 1, bias: false });
  return relu(add(h, skip));
}
