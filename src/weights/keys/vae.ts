import type { Leaves, Rule } from "./rename.ts";

/** What the tables need to know of an AutoencoderKL's config.json. */
export interface VaeLayout {
  readonly block_out_channels: readonly number[];
  readonly layers_per_block: number;
}

const RESNET: Leaves = { nin_shortcut: "conv_shortcut" };
const ATTENTION: Leaves = { norm: "group_norm", q: "to_q", k: "to_k", v: "to_v", proj_out: "to_out.0" };
/** diffusers' own names before version 0.17; most published VAEs still carry them. */
const OLD_ATTENTION: Leaves = { query: "to_q", key: "to_k", value: "to_v", proj_attn: "to_out.0" };

/**
 * The original layout (CompVis' AutoencoderKL, below `first_stage_model.`) and diffusers' older names → diffusers' names
 * of today, which pass unchanged. The original counts the decoder's levels from the picture's side, diffusers from the
 * latents'.
 */
export function vaeKeys({ block_out_channels, layers_per_block }: VaeLayout): readonly Rule[] {
  const levels = block_out_channels.length;
  const rules: Rule[] = [];
  for (const side of ["encoder", "decoder"]) {
    rules.push(
      { from: `${side}.norm_out.`, to: `${side}.conv_norm_out.` },
      { from: `${side}.mid.block_1.`, to: `${side}.mid_block.resnets.0.`, leaves: RESNET },
      { from: `${side}.mid.block_2.`, to: `${side}.mid_block.resnets.1.`, leaves: RESNET },
      { from: `${side}.mid.attn_1.`, to: `${side}.mid_block.attentions.0.`, leaves: ATTENTION, matrices: true },
      {
        from: `${side}.mid_block.attentions.0.`,
        to: `${side}.mid_block.attentions.0.`,
        leaves: OLD_ATTENTION,
        matrices: true,
      },
    );
  }
  for (let i = 0; i < levels; i++) {
    const [down, up] = [`encoder.down_blocks.${i}`, `decoder.up_blocks.${i}`];
    const [theirDown, theirUp] = [`encoder.down.${i}`, `decoder.up.${levels - 1 - i}`];
    rules.push({ from: `${theirDown}.downsample.`, to: `${down}.downsamplers.0.` });
    rules.push({ from: `${theirUp}.upsample.`, to: `${up}.upsamplers.0.` });
    for (let j = 0; j <= layers_per_block; j++) {
      rules.push({ from: `${theirDown}.block.${j}.`, to: `${down}.resnets.${j}.`, leaves: RESNET });
      rules.push({ from: `${theirUp}.block.${j}.`, to: `${up}.resnets.${j}.`, leaves: RESNET });
    }
  }
  return rules;
}
