import { z } from "zod";
import { count, only, parseConfig, sameLength, widths } from "./parse.ts";

const blocks = z.array(z.number().int().min(0).max(100));

const schema = z
  .object({
    in_channels: count.default(3),
    out_channels: count.default(3),
    latent_channels: count.default(4),
    encoder_block_out_channels: widths.default([64, 64, 64, 64]),
    decoder_block_out_channels: widths.default([64, 64, 64, 64]),
    num_encoder_blocks: blocks.default([1, 3, 3, 3]),
    num_decoder_blocks: blocks.default([3, 3, 3, 1]),
    scaling_factor: z.number().positive().default(1),
    shift_factor: only(0),
    act_fn: only("relu"),
    upsample_fn: only("nearest"),
    upsampling_scaling_factor: only(2),
    latent_magnitude: z.number().default(3),
    latent_shift: z.number().default(0.5),
  })
  .superRefine(sameLength("encoder_block_out_channels", ["num_encoder_blocks"]))
  .superRefine(sameLength("decoder_block_out_channels", ["num_decoder_blocks"]));

/** An AutoencoderTiny's config.json with the class's defaults. */
export type TaesdConfig = z.infer<typeof schema>;

export function taesdConfig(config: unknown, file = "The tiny VAE's config.json"): TaesdConfig {
  return parseConfig(schema, config, file);
}
