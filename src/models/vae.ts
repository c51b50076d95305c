/**
 * The autoencoder between pictures and latents (Esser et al. 2021, Rombach et al. 2022 §3.1) in the layout of
 * diffusers' AutoencoderKL.
 * B batch, C channels, H × W places of the latent, 8H × 8W pixels.
 */
import type { VaeConfig } from "../configs/index.ts";
import { add, clip, Graph, silu, split, type Value } from "../graph/index.ts";
import { attentionLayer, downsample, type Norm, resnetBlock, upsample } from "./blocks.ts";
import { chain, conv2d, groupNorm, repeat, toPicture, toSequence } from "./layers.ts";

export interface LatentShape {
  /** Places of the latent. */
  readonly height: number;
  readonly width: number;
}

/** "latents" [B, 4, H, W], already divided by the scaling factor → "image" [B, 3, 8H, 8W] in about −1…1. */
export function vaeDecoder(config: VaeConfig, { height, width }: LatentShape): Graph {
  const channels = config.block_out_channels.toReversed();
  const g = new Graph("vae_decoder");
  const latents = g.input("latents", "float32", ["batch", config.latent_channels, height, width]);
  const z =
    config.use_post_quant_conv === false
      ? latents
      : conv2d("post_quant_conv", latents, config.latent_channels, { kernel: 1 });
  const image = g.scope("decoder", () => {
    let h = midBlock(conv2d("conv_in", z, channels[0]!), config);
    for (const level of repeat(channels.length)) {
      h = g.scope(`up_blocks.${level}`, () => {
        const wide = resnets(h, config.layers_per_block + 1, channels[level]!, config);
        return level === channels.length - 1 ? wide : g.scope("upsamplers.0", () => upsample(wide));
      });
    }
    return conv2d("conv_out", silu(groupNorm("conv_norm_out", h, norm(config))), config.out_channels);
  });
  g.output("image", image);
  return g;
}

/**
 * "image" [B, 3, 8H, 8W] in −1…1 → "mean" and "logvar" [B, 4, H, W] of the latents' normal distribution, before the
 * scaling factor; the logarithm of the variance is held within [−30, 20].
 */
export function vaeEncoder(config: VaeConfig, { height, width }: LatentShape): Graph {
  const { block_out_channels: channels, latent_channels: latent } = config;
  const scale = 2 ** (channels.length - 1);
  const g = new Graph("vae_encoder");
  const image = g.input("image", "float32", ["batch", config.in_channels, height * scale, width * scale]);
  let moments = g.scope("encoder", () => {
    let h = conv2d("conv_in", image, channels[0]!);
    for (const level of repeat(channels.length)) {
      h = g.scope(`down_blocks.${level}`, () => {
        const wide = resnets(h, config.layers_per_block, channels[level]!, config);
        return level === channels.length - 1 ? wide : g.scope("downsamplers.0", () => downsample(wide, "asymmetric"));
      });
    }
    h = midBlock(h, config);
    return conv2d("conv_out", silu(groupNorm("conv_norm_out", h, norm(config))), 2 * latent);
  });
  if (config.use_quant_conv !== false) moments = conv2d("quant_conv", moments, 2 * latent, { kernel: 1 });
  const [mean, logvar] = split(moments, 2, 1);
  g.output("mean", mean!);
  g.output("logvar", clip(logvar!, -30, 20));
  return g;
}

const norm = (config: VaeConfig): Norm => ({ groups: config.norm_num_groups, epsilon: 1e-6 });

function resnets(x: Value, count: number, channels: number, config: VaeConfig): Value {
  return chain("resnets", x, count, (h) => resnetBlock(h, undefined, channels, norm(config)));
}

function midBlock(x: Value, config: VaeConfig): Value {
  const g = x.graph;
  const channels = x.shape[1] as number;
  return g.scope("mid_block", () => {
    const h = g.scope("resnets.0", () => resnetBlock(x, undefined, channels, norm(config)));
    const attended =
      config.mid_block_add_attention === false ? h : g.scope("attentions.0", () => placesAttention(h, norm(config)));
    return g.scope("resnets.1", () => resnetBlock(attended, undefined, channels, norm(config)));
  });
}

/** Attention of every place to every other, one head, on a residual stream. */
function placesAttention(x: Value, norm: Norm): Value {
  const [, , height, width] = x.shape as [unknown, unknown, number, number];
  const places = toSequence(groupNorm("group_norm", x, norm));
  return add(toPicture(attentionLayer(places, undefined, { heads: 1, bias: true }), height, width), x);
}
