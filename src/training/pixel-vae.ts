import { float32, type Tensor } from "../tensor/index.ts";

/**
 * Latents are a sixteenth of the pixels: the decoder bends large ones (3 tanh(x / 3)), and so small ones come through to a
 * ten-thousandth.
 */
const SHARE = 1 / 16;

/**
 * An AutoencoderTiny that passes pixels on as they are, for models that learn pixels themselves: everything that draws from a
 * checkpoint folder then draws from theirs. The U-Net sees pixels in −1…1.
 */
export const pixelVae = {
  config: {
    _class_name: "AutoencoderTiny",
    act_fn: "relu",
    in_channels: 3,
    out_channels: 3,
    latent_channels: 3,
    encoder_block_out_channels: [3],
    decoder_block_out_channels: [6],
    num_encoder_blocks: [0],
    num_decoder_blocks: [0],
    upsampling_scaling_factor: 2,
    scaling_factor: 1 / SHARE,
  },
  weights: (): Record<string, Tensor> => ({
    // Of pixels in 0…1, as the encoder shifts them.
    "encoder.layers.0.weight": passing(3, 3, (o, i) => (o === i ? 2 * SHARE : 0)),
    "encoder.layers.0.bias": float32([3], [-SHARE, -SHARE, -SHARE]),
    "encoder.layers.1.weight": passing(3, 3, (o, i) => (o === i ? 1 : 0)),
    "encoder.layers.1.bias": float32([3], [0, 0, 0]),
    // What lies above 0 and what lies below, apart, since a relu follows.
    "decoder.layers.0.weight": passing(6, 3, (o, i) => (o % 3 === i ? (o < 3 ? 1 : -1) : 0)),
    "decoder.layers.0.bias": float32([6], [0, 0, 0, 0, 0, 0]),
    "decoder.layers.2.weight": passing(3, 6, (o, i) => (i % 3 === o ? (i < 3 ? 0.5 : -0.5) / SHARE : 0)),
    "decoder.layers.2.bias": float32([3], [0.5, 0.5, 0.5]),
  }),
  /** Red, green and blue of a place as a linear function of its channels (see `inkling.json`). */
  previewFactors: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [0, 0, 0],
  ],
} as const;

/** A convolution of 3×3 that looks at its own place alone. */
function passing(outputs: number, inputs: number, weight: (output: number, input: number) => number): Tensor {
  const values = new Float32Array(outputs * inputs * 9);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) values[(o * inputs + i) * 9 + 4] = weight(o, i);
  }
  return float32([outputs, inputs, 3, 3], values);
}
