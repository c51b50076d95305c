import type { Walk, WalkStep } from "../diffusion/index.ts";
import { float32, InputError, joined, sizeOf, type Tensor } from "../tensor/index.ts";
import type { Networks } from "./networks.ts";

/** A picture to start from instead of noise alone, and what of it may change. */
export interface InitPicture {
  /** [1, 3, H, W] in 0–1, of the size that is drawn. */
  readonly picture: Tensor<"float32">;
  /** [1, 1, H, W] in 0–1: what is 0.5 and more is drawn anew, the rest stays. */
  readonly mask?: Tensor<"float32">;
  /** [1, 1, H, W] in 0–1: how much of what is drawn is seen; the rest is `picture`. Default: all of it. */
  readonly shown?: Tensor<"float32">;
}

/** Where a walk begins, and what holds it on its way. */
export interface Beginning {
  /** As drawn, before any scaling. */
  readonly noise: Float32Array;
  /** The latents that the walk starts from. */
  readonly initial: Float32Array;
  /** Channels that an inpainting U-Net sees beside the latents: the mask, the masked picture's latents. */
  readonly beside?: Float32Array;
  /** Where something has to stay: puts it back after a call. Changes the step's latents in place. */
  hold?(step: Pick<WalkStep, "latents" | "level">): void;
}

export interface BeginningOptions {
  readonly walk: Walk;
  /** Of the latents. */
  readonly shape: readonly number[];
  readonly draw: () => Float32Array;
  readonly networks: Networks;
  /** The U-Net's input channels: those of the latents, or with mask and masked picture beside them. */
  readonly channels: number;
  /** 1: nothing of the picture but what the mask keeps. */
  readonly strength: number;
  readonly signal?: AbortSignal;
}

/** Text to image: noise alone. */
export function fromNoise({ walk, draw }: Pick<BeginningOptions, "walk" | "draw">): Beginning {
  const noise = draw();
  return { noise, initial: noise.map((n) => n * walk.initNoiseSigma) };
}

/**
 * Image to image (SDEdit, Meng et al. 2022): the picture's latents with noise up to the level where the walk begins.
 * With a mask, inpainting: a U-Net of nine channels is shown the mask and what lies around it; with any other the kept
 * places are set to the picture's latents, noised for the next level, after every call (RePaint, Lugmayr et al. 2022,
 * without its repetitions). The order of the random draws is diffusers'.
 */
export async function fromPicture({ picture, mask }: InitPicture, options: BeginningOptions): Promise<Beginning> {
  const { walk, shape, draw, networks, channels, strength, signal } = options;
  const toLatents = (pixels: Tensor<"float32">) => encode(pixels, draw, networks, signal);
  const places = mask && nearest(mask, shape);
  const inpaintingModel = channels > shape[1]!;
  if (inpaintingModel && !mask) {
    throw new InputError(`This model's U-Net wants ${channels} channels: it paints inside a mask, so give it one.`);
  }

  const latents = strength === 1 && inpaintingModel ? undefined : await toLatents(picture);
  const noise = draw();
  // At full strength inpainting starts as a text alone does.
  const fresh = mask !== undefined && strength === 1;
  const initial = fresh || !latents ? noise.map((n) => n * walk.initNoiseSigma) : walk.addNoise(latents, noise);
  if (!places) return { noise, initial };

  const around = await toLatents(masked(picture, mask));
  if (inpaintingModel) return { noise, initial, beside: joined(Float32Array, places, around) };
  const kept = latents!;
  return {
    noise,
    initial,
    hold({ latents: current, level }) {
      const back = level ? walk.addNoise(kept, noise, level) : kept;
      const area = places.length;
      for (let i = 0; i < current.length; i++) {
        const open = places[i % area]!;
        current[i] = open * current[i]! + (1 - open) * back[i]!;
      }
    },
  };
}

/** Lays what is to be seen of the decoder's `pixels` [1, 3, H, W], 0–1, over the picture. Changes `pixels` in place. */
export function layOver({ picture, shown }: InitPicture, pixels: Tensor<"float32">): void {
  if (!shown) return;
  const area = sizeOf(shown.shape);
  for (let i = 0; i < pixels.data.length; i++) {
    const share = shown.data[i % area]!;
    pixels.data[i] = share * pixels.data[i]! + (1 - share) * picture.data[i]!;
  }
}

/** How many of the steps lie before the level that `strength` starts at, as diffusers counts. */
export function stepsSkipped(steps: number, strength: number): number {
  const taken = Math.min(Math.floor(steps * strength), steps);
  if (taken >= 1) return steps - taken;
  const least = Math.ceil(10_000 / steps) / 10_000;
  throw new InputError(
    `At strength ${strength} none of ${steps} steps is left: take more steps or a strength of at least ${least}.`,
  );
}

/** A draw from the encoder's distribution (Kingma & Welling 2014, eq. 10), scaled for the U-Net. */
async function encode(
  pixels: Tensor<"float32">,
  draw: () => Float32Array,
  networks: Networks,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const image = float32(
    pixels.shape,
    pixels.data.map((v) => 2 * v - 1),
  );
  const { mean, deviation, factor } = await networks.encode(image, signal);
  const epsilon = draw();
  return mean.data.map((m, i) => factor * (m + (deviation ? deviation[i]! * epsilon[i]! : 0)));
}

/** The mask at the latent's size: 1 where it is open. */
function nearest(mask: Tensor<"float32">, shape: readonly number[]): Float32Array {
  const [, , rows, columns] = mask.shape as [number, number, number, number];
  const [, , height, width] = shape as [number, number, number, number];
  return Float32Array.from({ length: height * width }, (_, i) => {
    const y = Math.floor((Math.floor(i / width) * rows) / height);
    const x = Math.floor(((i % width) * columns) / width);
    return mask.data[y * columns + x]! >= 0.5 ? 1 : 0;
  });
}

/** The picture with grey (0 in −1…1) where the mask is open. */
function masked(picture: Tensor<"float32">, mask: Tensor<"float32">): Tensor<"float32"> {
  const area = sizeOf(mask.shape);
  return float32(
    picture.shape,
    picture.data.map((v, i) => (mask.data[i % area]! < 0.5 ? v : 0.5)),
  );
}
