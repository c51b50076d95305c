import type { JsonObject } from "./json.ts";
import type { PredictionType } from "./prediction.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

/**
 * The published configurations of Stable Diffusion 1.x and 2.x for files that carry none: single files in the original
 * layout. Only what differs from the classes' defaults or decides on shapes is written down.
 */

const UNET: JsonObject = {
  _class_name: "UNet2DConditionModel",
  act_fn: "silu",
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
};

const CLIP_TEXT: JsonObject = {
  architectures: ["CLIPTextModel"],
  layer_norm_eps: 1e-5,
  max_position_embeddings: 77,
  model_type: "clip_text_model",
  vocab_size: 49408,
};

/** The VAE of every Stable Diffusion 1.x and 2.x; its scaling factor is the class's default. */
export const SD_VAE: JsonObject = {
  _class_name: "AutoencoderKL",
  act_fn: "silu",
  block_out_channels: [128, 256, 512, 512],
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 512,
  scaling_factor: 0.18215,
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
};

const SCHEDULER: JsonObject = {
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  clip_sample: false,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
};

const PNDM: JsonObject = { _class_name: "PNDMScheduler", ...SCHEDULER };
const DDIM: JsonObject = { _class_name: "DDIMScheduler", ...SCHEDULER };

/** A generation of Stable Diffusion. */
export interface Family {
  readonly unet: JsonObject;
  readonly textEncoder: JsonObject;
  readonly specialTokens: NonNullable<TokenizerFiles["specialTokensMap"]>;
  /** What changes with the prediction type: SD 2's v models are the 768² ones. */
  readonly variants: Readonly<Record<PredictionType, { unet: JsonObject; scheduler: JsonObject }>>;
}

const SPECIAL_TOKENS = { bos_token: "<|startoftext|>", eos_token: "<|endoftext|>", unk_token: "<|endoftext|>" };
const SMALL = { unet: { sample_size: 64 }, scheduler: PNDM };

/** By the width of the text embeddings that the U-Net attends to: what tells one from the other. */
export const FAMILIES: ReadonlyMap<number, Family> = new Map<number, Family>([
  [
    768,
    {
      unet: { ...UNET, attention_head_dim: 8, cross_attention_dim: 768 },
      textEncoder: {
        ...CLIP_TEXT,
        hidden_act: "quick_gelu",
        hidden_size: 768,
        intermediate_size: 3072,
        num_attention_heads: 12,
        num_hidden_layers: 12,
        projection_dim: 768,
      },
      specialTokens: { ...SPECIAL_TOKENS, pad_token: "<|endoftext|>" },
      variants: { epsilon: SMALL, v_prediction: SMALL, sample: SMALL },
    },
  ],
  [
    1024,
    {
      unet: { ...UNET, attention_head_dim: [5, 10, 20, 20], cross_attention_dim: 1024, use_linear_projection: true },
      textEncoder: {
        ...CLIP_TEXT,
        hidden_act: "gelu",
        hidden_size: 1024,
        intermediate_size: 4096,
        num_attention_heads: 16,
        num_hidden_layers: 23,
        projection_dim: 512,
      },
      specialTokens: { ...SPECIAL_TOKENS, pad_token: "!" },
      variants: {
        epsilon: SMALL,
        v_prediction: { unet: { sample_size: 96, upcast_attention: true }, scheduler: DDIM },
        sample: SMALL,
      },
    },
  ],
]);
