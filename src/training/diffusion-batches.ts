import { levelAt, minSnrWeight, snrOf } from "../diffusion/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { type CpuGenerator, float32, InputError } from "../tensor/index.ts";
import type { TensorCache } from "./data/cache.ts";
import type { Example } from "./data/dataset.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { openLatents } from "./latents.ts";
import { memoryCache } from "./memory-cache.ts";
import type { Told } from "./told.ts";
import type { Batch } from "./trainer.ts";

/** How pictures and captions become batches. */
export interface DiffusionBatchOptions {
  /** Pixels of the pictures. */
  readonly width: number;
  readonly height: number;
  /** How often a picture is learnt without its caption, which guidance needs (Ho & Salimans 2022, algorithm 1). Default 0.1. */
  readonly captionDropout?: number;
  /** γ of min-SNR weighting (Hang et al. 2023). Default: none, every noise level weighs the same. */
  readonly snrGamma?: number;
  /** Of what the VAE and the text encoder give, as far as these do not learn, by name. Default: memory alone. */
  readonly cacheOf?: (network: "vae" | "text encoder") => TensorCache;
}

/** Examples as `diffusionLoss` wants them. */
export interface DiffusionBatches {
  /** Of the latents. */
  readonly height: number;
  readonly width: number;
  of(examples: readonly Example[], random: CpuGenerator): Promise<Batch>;
  close(): Promise<void>;
}

/**
 * Pictures with noise of random levels (Ho et al. 2020, algorithm 1), in the space of the model's VAE or in pixels, with what is
 * told of them.
 *
 * @throws InputError where the size does not fit the model, or the weighting its noise levels
 */
export async function openDiffusionBatches(
  model: DiffusionModel,
  options: DiffusionBatchOptions,
  runtime: Runtime,
  openTold: () => Told | Promise<Told>,
): Promise<DiffusionBatches> {
  check(model, options);
  const { noise } = model;
  const { captionDropout = 0.1, snrGamma } = options;
  const latents = await openLatents(model, options, runtime, memoryCache(options.cacheOf?.("vae")));
  const told = await openTold();
  return {
    height: latents.height,
    width: latents.width,
    async of(examples, random) {
      const dropped = random.rand([examples.length]);
      const captions = examples.map(({ caption }, i) => (dropped[i]! < captionDropout ? "" : caption));
      const steps = random.randint(0, noise.table.alphasCumprod.length, [examples.length]);
      const levels = steps.map((t) => levelAt(noise.table, t));
      const each = (value: (i: number) => number) =>
        float32(
          [examples.length, 1, 1, 1],
          levels.map((_, i) => value(i)),
        );
      const clean = await latents.of(
        examples.map(({ picture }) => picture),
        random,
      );
      return {
        latents: clean,
        noise: float32(clean.shape, random.randn(clean.shape)),
        timesteps: float32([examples.length], steps),
        alpha: each((i) => levels[i]!.alpha),
        sigma: each((i) => levels[i]!.sigma),
        weight: each((i) => (snrGamma ? minSnrWeight(snrOf(levels[i]!), snrGamma, noise.prediction) : 1)),
        ...(await told.of(captions)),
      };
    },
    async close() {
      await latents.close();
      await told.close();
    },
  };
}

function check({ scale, noise }: DiffusionModel, options: DiffusionBatchOptions): void {
  for (const side of [options.width, options.height]) {
    if (side % scale === 0) continue;
    throw new InputError(
      `Pictures of ${options.width}×${options.height}: this model wants sides in multiples of ${scale}.`,
    );
  }
  const last = noise.table.alphasCumprod.at(-1)!;
  if (options.snrGamma && noise.prediction === "epsilon" && last === 0) {
    throw new InputError(
      "Where no signal is left at the last level (rescale_betas_zero_snr), min-SNR weighting of the noise has no value there: " +
        'take the prediction type "v_prediction", or no weighting.',
    );
  }
}
