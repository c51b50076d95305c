import { addNoise, levelAt, snrOf, trainedNoise } from "../diffusion/index.ts";
import type { Picture } from "../image/index.ts";
import { initPicture } from "../pipelines/init-picture.ts";
import type { OpenModel } from "../pipelines/inkling.ts";
import { createGenerator, float32, InputError, type Tensor } from "../tensor/index.ts";

type Model = Pick<OpenModel, "facts" | "networks">;

/** How much of a picture is left at each timestep of the forward process, from the first on. */
export interface NoiseCurve {
  /** √ᾱ, what the picture is multiplied by. */
  readonly alpha: Float32Array;
  /** √(1 − ᾱ), what the noise is multiplied by. */
  readonly sigma: Float32Array;
  /** ᾱ / (1 − ᾱ), the signal-to-noise ratio. */
  readonly snr: Float32Array;
}

/** The noise that a checkpoint learnt to undo (Ho et al. 2020, eq. 4), as its scheduler_config says. */
export function noiseCurve({ facts }: Pick<OpenModel, "facts">): NoiseCurve {
  const { table } = trainedNoise(facts.checkpoint.scheduler);
  const levels = Array.from(table.alphasCumprod, (_, t) => levelAt(table, t));
  return {
    alpha: Float32Array.from(levels, ({ alpha }) => alpha),
    sigma: Float32Array.from(levels, ({ sigma }) => sigma),
    snr: Float32Array.from(levels, snrOf),
  };
}

/**
 * The latents of a picture, [1, C, H/8, W/8] as the U-Net knows them: the mean that the encoder gives. The picture is scaled to
 * cover the model's usual size and cut around the middle.
 */
export async function latentsOf(
  picture: Picture,
  { facts, networks }: Model,
  signal?: AbortSignal,
): Promise<Tensor<"float32">> {
  const { width, height } = facts.defaults;
  const prepared = await initPicture({ image: picture, maskBlur: 0, keepUnmasked: false }, { width, height });
  const { shape, data } = prepared.picture;
  const pixels = float32(
    shape,
    data.map((x) => 2 * x - 1),
  );
  const { mean, factor } = await networks.encode(pixels, signal);
  return float32(
    mean.shape,
    mean.data.map((x) => x * factor),
  );
}

export interface NoisedLatents {
  readonly noise: Tensor<"float32">;
  /** √ᾱ · x0 + √(1 − ᾱ) · noise */
  readonly latents: Tensor<"float32">;
}

/**
 * Latents with noise up to a timestep of training (Ho et al. 2020, eq. 4).
 *
 * @throws InputError for a timestep that there is not
 */
export function noised(
  x0: Tensor<"float32">,
  { timestep, seed }: { readonly timestep: number; readonly seed: number },
  { facts }: Pick<OpenModel, "facts">,
): NoisedLatents {
  const { table } = trainedNoise(facts.checkpoint.scheduler);
  const last = table.alphasCumprod.length - 1;
  if (!Number.isInteger(timestep) || timestep < 0 || timestep > last) {
    throw new InputError(`The timestep is ${timestep}; it has to be a whole number from 0 to ${last}.`);
  }
  const noise = createGenerator("cpu", seed).randn(x0.shape);
  return {
    noise: float32(x0.shape, noise),
    latents: float32(x0.shape, addNoise(x0.data, noise, levelAt(table, timestep))),
  };
}
