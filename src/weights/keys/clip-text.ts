import type { Leaves, Rule } from "./rename.ts";

const PREFIX = "text_model.";

/**
 * transformers' CLIPTextModel, with or without the `text_model.` prefix that its versions write or leave out → with it.
 */
export const clipTextKeys: readonly Rule[] = [
  { from: PREFIX, to: PREFIX },
  { from: "", to: PREFIX },
];

const LAYER: Leaves = {
  "attn.in_proj_weight": ["self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"],
  "attn.in_proj_bias": ["self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"],
  "attn.out_proj": "self_attn.out_proj",
  ln_1: "layer_norm1",
  ln_2: "layer_norm2",
  "mlp.c_fc": "mlp.fc1",
  "mlp.c_proj": "mlp.fc2",
};

/**
 * OpenCLIP's text tower (Stable Diffusion 2, below `cond_stage_model.model.`) → transformers' CLIPTextModel.
 *
 * @param layers the layers that are used: Stable Diffusion 2 conditions on the output of the last but one, so its
 *   config counts 23 and `resblocks.23` finds no place
 */
export function openClipTextKeys(layers: number): readonly Rule[] {
  return [
    { from: "token_embedding.", to: `${PREFIX}embeddings.token_embedding.` },
    { from: "positional_embedding", to: `${PREFIX}embeddings.position_embedding.weight` },
    { from: "ln_final.", to: `${PREFIX}final_layer_norm.` },
    ...Array.from({ length: layers }, (_, i) => ({
      from: `transformer.resblocks.${i}.`,
      to: `${PREFIX}encoder.layers.${i}.`,
      leaves: LAYER,
    })),
  ];
}
