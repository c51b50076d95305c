import { z } from "zod";
import { absent, count, leveled, only, parseConfig, perLevel, sameLength, siluOnly, widths } from "./parse.ts";

const schema = z
  .object({
    in_channels: count.default(4),
    out_channels: count.default(4),
    /** Places of the latent that it was made for. */
    sample_size: z
      .union([count, z.tuple([count, count])])
      .nullish()
      .transform((size) => size ?? 64),
    block_out_channels: widths.default([320, 640, 1280, 1280]),
    layers_per_block: leveled(count.max(100)).default(2),
    down_block_types: z
      .array(z.enum(["CrossAttnDownBlock2D", "DownBlock2D"]))
      .default(["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]),
    up_block_types: z
      .array(z.enum(["CrossAttnUpBlock2D", "UpBlock2D"]))
      .default(["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
    mid_block_type: z.literal("UNetMidBlock2DCrossAttn").nullable().default("UNetMidBlock2DCrossAttn"),
    /** Despite its name the number of heads of each level. */
    attention_head_dim: leveled(count).default(8),
    num_attention_heads: leveled(count).nullish(),
    /** Width of the words that it looks at. */
    cross_attention_dim: leveled(count).default(1280),
    use_linear_projection: z.boolean().default(false),
    /** Attention's scores are too large for 16-bit floats. */
    upcast_attention: z.boolean().nullish(),
    norm_num_groups: count.default(32),
    norm_eps: z.number().positive().default(1e-5),
    transformer_layers_per_block: leveled(count.max(100)).default(1),
    time_cond_proj_dim: count.nullish(),
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().default(0),
    act_fn: siluOnly,
    center_input_sample: only(false),
    downsample_padding: only(1),
    conv_in_kernel: only(3),
    conv_out_kernel: only(3),
    mid_block_scale_factor: only(1),
    resnet_time_scale_shift: only("default"),
    resnet_out_scale_factor: only(1),
    resnet_skip_time_act: only(false),
    attention_type: only("default"),
    dual_cross_attention: only(false),
    only_cross_attention: leveled(z.literal(false)).nullish(),
    mid_block_only_cross_attention: only(false),
    cross_attention_norm: absent,
    reverse_transformer_layers_per_block: absent,
    time_embedding_type: only("positional"),
    time_embedding_dim: absent,
    time_embedding_act_fn: absent,
    timestep_post_act: absent,
    addition_embed_type: absent,
    class_embed_type: absent,
    num_class_embeds: absent,
    class_embeddings_concat: only(false),
    encoder_hid_dim: absent,
    encoder_hid_dim_type: absent,
  })
  .superRefine(
    sameLength("block_out_channels", [
      "down_block_types",
      "up_block_types",
      "layers_per_block",
      "attention_head_dim",
      "num_attention_heads",
      "cross_attention_dim",
      "transformer_layers_per_block",
      "only_cross_attention",
    ]),
  )
  .transform((config, context) => {
    const { block_out_channels: channels, attention_head_dim, num_attention_heads, ...rest } = config;
    const levels = channels.length;
    const heads = perLevel(num_attention_heads ?? attention_head_dim, levels);
    const words = perLevel(config.cross_attention_dim, levels);
    const attending = channels.map((_, i) => i).filter((i) => attends(config, i));
    const refuse = (key: string, message: string) => {
      context.addIssue({ code: "custom", path: [key], message });
      return z.NEVER;
    };
    for (const i of attending) {
      if (channels[i]! % heads[i]! === 0) continue;
      return refuse("attention_head_dim", `${heads[i]} heads do not divide the ${channels[i]} channels of level ${i}`);
    }
    // There is one text: every level that looks at it expects the same width.
    const [width = words[0]!, ...others] = new Set(attending.map((i) => words[i]!));
    if (others.length > 0) return refuse("cross_attention_dim", `levels of different widths, ${words.join(", ")}`);
    return {
      ...rest,
      block_out_channels: channels,
      heads,
      cross_attention_dim: width,
      layers_per_block: perLevel(config.layers_per_block, levels),
      transformer_layers_per_block: perLevel(config.transformer_layers_per_block, levels),
    };
  });

interface Blocks {
  readonly down_block_types: readonly string[];
  readonly up_block_types: readonly string[];
  readonly mid_block_type: string | null;
}

/** Whether a level looks at the words anywhere: on the way down, on the way up, or below the deepest. */
function attends({ down_block_types: down, up_block_types: up, mid_block_type: mid }: Blocks, level: number): boolean {
  const last = down.length - 1;
  return /Attn/.test(`${down[level]} ${up[last - level]} ${level === last ? mid : ""}`);
}

/** A UNet2DConditionModel's config.json with the class's defaults; what may differ between levels is a list. */
export type UnetConfig = z.infer<typeof schema>;

export function unetConfig(config: unknown, file = "The U-Net's config.json"): UnetConfig {
  return parseConfig(schema, config, file);
}
