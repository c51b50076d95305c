import { z } from "zod";
import { absent, count, only, parseConfig, sameLength, siluOnly, widths } from "./parse.ts";

const schema = z
  .object({
    in_channels: count.default(3),
    out_channels: count.default(3),
    latent_channels: count.default(4),
    block_out_channels: widths.default([64]),
    layers_per_block: count.max(100).default(1),
    norm_num_groups: count.default(32),
    /** Latents are multiplied by it on their way to the U-Net. */
    scaling_factor: z.number().positive().default(0.18215),
    shift_factor: only(0),
    /** Its numbers are too large for 16-bit floats. */
    force_upcast: z.boolean().nullish(),
    latents_mean: absent,
    latents_std: absent,
    use_quant_conv: z.boolean().nullish(),
    use_post_quant_conv: z.boolean().nullish(),
    mid_block_add_attention: z.boolean().nullish(),
    down_block_types: z.array(z.literal("DownEncoderBlock2D")).optional(),
    up_block_types: z.array(z.literal("UpDecoderBlock2D")).optional(),
    act_fn: siluOnly,
  })
  .superRefine(sameLength("block_out_channels", ["down_block_types", "up_block_types"]));

/** An AutoencoderKL's config.json with the class's defaults. */
export type VaeConfig = z.infer<typeof schema>;

export function vaeConfig(config: unknown, file = "The VAE's config.json"): VaeConfig {
  return parseConfig(schema, config, file);
}
