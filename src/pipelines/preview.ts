import type { Picture } from "../image/index.ts";
import type { Tensor } from "../tensor/index.ts";

/** Red, green and blue of a latent's place as a linear function of its channels: [channels + 1][3], the last row is added. */
export type PreviewFactors = readonly (readonly [number, number, number])[];

/** For the autoencoder of Stable Diffusion 1 and 2, fitted and published by Keturn (Hugging Face forum, 2022). */
export const STABLE_DIFFUSION_FACTORS: PreviewFactors = [
  [0.298, 0.207, 0.208],
  [0.187, 0.286, 0.173],
  [-0.158, 0.189, 0.264],
  [-0.184, -0.271, -0.473],
  [0, 0, 0],
];

/** A picture of latents [1, C, H, W], a pixel a place: good enough to see what emerges, and free. */
export function previewOf(latents: Tensor<"float32">, factors: PreviewFactors): Picture {
  const [, channels, height, width] = latents.shape as [number, number, number, number];
  const area = height * width;
  const data = new Uint8Array(area * 3);
  for (let place = 0; place < area; place++) {
    for (let color = 0; color < 3; color++) {
      let value = factors[channels]![color]!;
      for (let c = 0; c < channels; c++) value += latents.data[c * area + place]! * factors[c]![color]!;
      data[place * 3 + color] = Math.min(255, Math.max(0, Math.round((value / 2 + 0.5) * 255)));
    }
  }
  return { width, height, data };
}
