/**
 * The noise predictor: a U-Net whose levels look at the words (Rombach et al. 2022), in the layout of diffusers'
 * UNet2DConditionModel as Stable Diffusion 1.x, 2.x, their inpainting, distilled (BK-SDM) and consistency (LCM)
 * relatives use it.
 * B batch, C channels, H × W places of the latent, S words, E width of the time embedding.
 */
import type { UnetConfig } from "../configs/index.ts";
import { add, concat, cos, Graph, mul, reshape, silu, sin, slice, type Value } from "../graph/index.ts";
import { expf, float32 } from "../tensor/index.ts";
import { downsample, joinSkip, type Norm, resnetBlock, spatialTransformer, upsample } from "./blocks.ts";
import { tapCrossAttentions } from "./cross-attention.ts";
import { conv2d, groupNorm, linear, repeat } from "./layers.ts";

const { fround } = Math;

export interface UnetShape {
  /** Places of the latent: a picture's pixels divided by 8. */
  readonly height: number;
  readonly width: number;
  /** Which share of the largest level's places is merged into others before self-attention, up to 0.75. Default: none. */
  readonly merged?: number;
  /** Whether where it looks are outputs too (see {@link tapCrossAttentions}). Default false. */
  readonly maps?: boolean;
}

/**
 * "sample" [B, in_channels, H, W], "timestep" [B], "encoder_hidden_states" [B, S, D] and, where the model was
 * distilled with guidance, "timestep_cond" [B, time_cond_proj_dim] → "out_sample" [B, out_channels, H, W].
 */
export function unet(config: UnetConfig, shape: UnetShape): Graph {
  return unetWithJoins(config, shape).graph;
}

/** As {@link unet}, and what comes up from below to each skip, that of the first convolution first. */
export function unetWithJoins(
  config: UnetConfig,
  { height, width, merged = 0, maps = false }: UnetShape,
): { readonly graph: Graph; readonly joins: readonly Value[] } {
  const { block_out_channels: channels, layers_per_block: layers } = config;
  const levels = channels.length;
  const norm: Norm = { groups: config.norm_num_groups, epsilon: config.norm_eps };

  const g = new Graph("unet");
  const sample = g.input("sample", "float32", ["batch", config.in_channels, height, width]);
  const timestep = g.input("timestep", "float32", ["batch"]);
  const words = g.input("encoder_hidden_states", "float32", ["batch", "words", config.cross_attention_dim]);
  const time = timeEmbedding(timestep, config);

  const transformer = (x: Value, level: number): Value =>
    spatialTransformer(x, words, {
      heads: config.heads[level]!,
      upcast: config.upcast_attention ?? false,
      norm: { groups: config.norm_num_groups, epsilon: 1e-6 },
      linearProjection: config.use_linear_projection,
      layers: config.transformer_layers_per_block[level]!,
      // As the paper does: deeper levels have too few places to gain by it, and lose more.
      merged: level === 0 ? merged : 0,
    });
  const resnet = (name: string, x: Value, width: number): Value =>
    g.scope(name, () => resnetBlock(x, time, width, norm));

  let h = conv2d("conv_in", sample, channels[0]!);
  const skips = [h];

  for (const level of repeat(levels)) {
    h = g.scope(`down_blocks.${level}`, () => {
      for (const i of repeat(layers[level]!)) {
        h = resnet(`resnets.${i}`, h, channels[level]!);
        if (config.down_block_types[level] === "CrossAttnDownBlock2D") {
          h = g.scope(`attentions.${i}`, () => transformer(h, level));
        }
        skips.push(h);
      }
      if (level < levels - 1) {
        h = g.scope("downsamplers.0", () => downsample(h, "symmetric"));
        skips.push(h);
      }
      return h;
    });
  }

  if (config.mid_block_type) {
    h = g.scope("mid_block", () => {
      const [deepest, last] = [channels[levels - 1]!, levels - 1];
      h = resnet("resnets.0", h, deepest);
      h = g.scope("attentions.0", () => transformer(h, last));
      return resnet("resnets.1", h, deepest);
    });
  }

  const joins: Value[] = [];
  for (const step of repeat(levels)) {
    const level = levels - 1 - step;
    h = g.scope(`up_blocks.${step}`, () => {
      for (const i of repeat(layers[level]! + 1)) {
        joins.unshift(h);
        h = resnet(`resnets.${i}`, joinSkip(h, skips.pop()!), channels[level]!);
        if (config.up_block_types[step] === "CrossAttnUpBlock2D") {
          h = g.scope(`attentions.${i}`, () => transformer(h, level));
        }
      }
      if (level === 0) return h;
      // An odd size was rounded up on the way down: the next skip says how large this level really is.
      const [, , rows, columns] = skips.at(-1)!.shape as [unknown, unknown, number, number];
      return g.scope("upsamplers.0", () => upsample(h, [rows, columns]));
    });
  }

  const normed = groupNorm("conv_norm_out", h, norm);
  g.output("out_sample", conv2d("conv_out", silu(normed), config.out_channels));
  if (maps) tapCrossAttentions(g);
  return { graph: g, joins };
}

/** Sinusoids of the timestep through two layers: [B] → [B, E], E = 4 · channels of the first level. */
function timeEmbedding(timestep: Value, config: UnetConfig): Value {
  const g = timestep.graph;
  const channels = config.block_out_channels[0]!;
  let waves = g.scope("time_proj", () => sinusoids(timestep, channels, config));
  if (config.time_cond_proj_dim) {
    const cond = g.input("timestep_cond", "float32", ["batch", config.time_cond_proj_dim]);
    waves = add(
      waves,
      g.scope("time_embedding", () => linear("cond_proj", cond, channels, { bias: false })),
    );
  }
  return g.scope("time_embedding", () => timestepMlp(waves, 4 * channels));
}

/** TimestepEmbedding: linear, SiLU, linear. */
export function timestepMlp(waves: Value, width: number): Value {
  return linear("linear_2", silu(linear("linear_1", waves, width)), width);
}

/**
 * Vaswani et al. 2017, §3.5, of real-valued times: [B] → [B, channels], cosines first where the config flips them; an
 * odd width ends in zero.
 */
export function sinusoids(
  timestep: Value,
  channels: number,
  { flip_sin_to_cos: flip, freq_shift: shift }: Pick<UnetConfig, "flip_sin_to_cos" | "freq_shift">,
): Value {
  const half = Math.floor(channels / 2);
  const angles = mul(reshape(timestep, [timestep.shape[0]!, 1]), float32([1, half], frequencies(half, shift)));
  const waves = flip ? [cos(angles), sin(angles)] : [sin(angles), cos(angles)];
  if (channels % 2) waves.push(mul(slice(angles, 1, 0, 1), 0));
  return concat(waves, 1);
}

/**
 * How a model distilled with guidance is told its scale (Meng et al. 2023, §3.1): sinusoids of 1000 · (scale − 1),
 * sines first, as "timestep_cond" [channels].
 */
export function guidanceEmbedding(scale: number, channels: number): Float32Array {
  const half = Math.floor(channels / 2);
  const out = new Float32Array(channels);
  const step = fround(fround(Math.log(10000)) / (half - 1));
  for (const i of repeat(half)) {
    const angle = fround(fround(1000 * (scale - 1)) * expf(fround(-step * i)));
    out[i] = Math.sin(angle);
    out[half + i] = Math.cos(angle);
  }
  return out;
}

/** 10000^(−i / (half − shift)), rounded as the reference rounds. */
function frequencies(half: number, shift: number): Float32Array {
  const step = fround(-Math.log(10000));
  return Float32Array.from(repeat(half), (i) => expf(fround(fround(step * i) / (half - shift))));
}
