import type { Leaves, Rule } from "./rename.ts";

/** What the tables need to know of a U-Net's config.json. */
export interface UNetLayout {
  readonly down_block_types: readonly string[];
  readonly up_block_types: readonly string[];
  readonly layers_per_block: number | readonly number[];
}

const RESNET: Leaves = {
  "in_layers.0": "norm1",
  "in_layers.2": "conv1",
  "emb_layers.1": "time_emb_proj",
  "out_layers.0": "norm2",
  "out_layers.3": "conv2",
  skip_connection: "conv_shortcut",
};

const FIXED: readonly Rule[] = [
  { from: "time_embed.0.", to: "time_embedding.linear_1." },
  { from: "time_embed.2.", to: "time_embedding.linear_2." },
  { from: "time_embed.cond_proj.", to: "time_embedding.cond_proj." },
  { from: "input_blocks.0.0.", to: "conv_in." },
  { from: "middle_block.0.", to: "mid_block.resnets.0.", leaves: RESNET },
  { from: "middle_block.1.", to: "mid_block.attentions.0." },
  { from: "middle_block.2.", to: "mid_block.resnets.1.", leaves: RESNET },
  { from: "out.0.", to: "conv_norm_out." },
  { from: "out.2.", to: "conv_out." },
];

/**
 * The original layout (CompVis' UNetModel, below `model.diffusion_model.`) → diffusers' UNet2DConditionModel. The
 * original numbers its blocks in a row: `input_blocks` counts conv_in, every layer and every downsampling,
 * `output_blocks` every layer, whose modules are resnet, attention where there is one, upsampling after a level's last.
 */
export function unetKeys(config: UNetLayout): readonly Rule[] {
  const rules = [...FIXED];
  const layers = (level: number) =>
    typeof config.layers_per_block === "number" ? config.layers_per_block : config.layers_per_block[level]!;
  const levels = config.down_block_types.length;
  const layer = (block: string, ours: string, j: number, attention: boolean) => {
    rules.push({ from: `${block}.0.`, to: `${ours}.resnets.${j}.`, leaves: RESNET });
    if (attention) rules.push({ from: `${block}.1.`, to: `${ours}.attentions.${j}.` });
  };

  let k = 1;
  for (const [i, type] of config.down_block_types.entries()) {
    for (let j = 0; j < layers(i); j++) layer(`input_blocks.${k++}`, `down_blocks.${i}`, j, type.includes("Attn"));
    if (i < levels - 1) rules.push({ from: `input_blocks.${k++}.0.op.`, to: `down_blocks.${i}.downsamplers.0.conv.` });
  }
  k = 0;
  for (const [i, type] of config.up_block_types.entries()) {
    const attention = type.includes("Attn");
    const last = layers(levels - 1 - i);
    for (let j = 0; j <= last; j++) layer(`output_blocks.${k++}`, `up_blocks.${i}`, j, attention);
    if (i < levels - 1) {
      const from = `output_blocks.${k - 1}.${attention ? 2 : 1}.conv.`;
      rules.push({ from, to: `up_blocks.${i}.upsamplers.0.conv.` });
    }
  }
  return rules;
}
