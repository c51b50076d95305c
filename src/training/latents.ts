import { createHash } from "node:crypto";
import type { Picture } from "../image/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, sizeOf, type Tensor } from "../tensor/index.ts";
import { remembered, type TensorCache } from "./data/cache.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { openFrozen } from "./frozen.ts";
import { planes } from "./planes.ts";
import type { Draws } from "./share.ts";

/** Pictures as the U-Net sees them. */
export interface Latents {
  /** Places, the last two dimensions. */
  readonly height: number;
  readonly width: number;
  /** [B, C, H, W]; where the VAE gives a distribution, drawn from that with `random`. */
  of(pictures: readonly Picture[], random: Draws): Promise<Tensor<"float32">>;
  close(): Promise<void>;
}

/**
 * Pixels in −1…1, or what the VAE makes of them.
 *
 * @param cache of what the VAE gave: it does not learn
 */
export async function openLatents(
  { vae, autoencoder, scale }: DiffusionModel,
  pixels: { readonly width: number; readonly height: number },
  runtime: Runtime,
  cache: TensorCache,
): Promise<Latents> {
  const [height, width] = [pixels.height / scale, pixels.width / scale];
  if (!vae || !autoencoder) {
    const of = async (pictures: readonly Picture[]) => float32([pictures.length, 3, height, width], planes(pictures));
    return { height, width, of, close: async () => {} };
  }
  const { channels, factor } = autoencoder;
  const session = await openFrozen(vae, autoencoder.encoder({ height, width }), runtime, 1);
  const encode = (picture: Picture): Promise<Record<string, Tensor>> =>
    session.run({ image: float32([1, 3, pixels.height, pixels.width], planes([picture])) });

  return {
    height,
    width,
    async of(pictures, random) {
      const shape = [pictures.length, channels, height, width];
      const values = random.randn(shape);
      const area = sizeOf(shape) / pictures.length;
      for (const [i, picture] of pictures.entries()) {
        const key = createHash("sha256").update(picture.data).digest("hex");
        const { mean, logvar, latents } = await remembered(cache, key, () => encode(picture));
        const own = values.subarray(i * area, (i + 1) * area);
        // The tiny VAE gives latents without a distribution.
        const deviation = (k: number) => (logvar ? Math.exp((logvar.data[k] as number) / 2) : 0);
        for (let k = 0; k < area; k++)
          own[k] = ((mean ?? latents)!.data[k] as number) * factor + deviation(k) * factor * own[k]!;
      }
      return float32(shape, values);
    },
    close: () => session.release(),
  };
}
