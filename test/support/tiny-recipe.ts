/** A model of pixels that is as small as can be, from fresh weights. */
export const tinyRecipe = {
  model: {
    unet: {
      in_channels: 3,
      out_channels: 3,
      sample_size: 16,
      block_out_channels: [8, 16],
      layers_per_block: 1,
      down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
      up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
      attention_head_dim: [1, 2],
      cross_attention_dim: 16,
      norm_num_groups: 4,
    },
    textEncoder: {
      vocab_size: 8192,
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: 77,
    },
    tokenizer: "inkdrop-256",
    scheduler: {
      beta_schedule: "scaled_linear",
      beta_start: 0.00085,
      beta_end: 0.012,
      prediction_type: "v_prediction",
    },
    defaults: { steps: 2, guidance: 2, sampler: "Euler", sizes: [16] },
  },
  data: { shapes: { count: 100 } },
  steps: 4,
  batch: 2,
  learningRate: 0.01,
  ema: 0.5,
  seed: 3,
};
