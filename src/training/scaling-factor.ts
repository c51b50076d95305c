import type { Picture } from "../image/index.ts";
import { autoencoder } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, InputError } from "../tensor/index.ts";
import type { ModelPart } from "../weights/index.ts";
import { openFrozen } from "./frozen.ts";
import { planes } from "./planes.ts";

/**
 * What latents are multiplied with so that they vary as noise does: 1 / their deviation over all values (Rombach et al. 2022,
 * appendix G), whose spread around the mean counts too.
 *
 * @param pictures of one size
 * @throws InputError where they do not vary, or not finitely
 */
export async function scalingFactorOf(vae: ModelPart, pictures: readonly Picture[], runtime: Runtime): Promise<number> {
  const { encoder, scale } = autoencoder(vae.config, vae.configFile);
  const { width, height } = pictures[0]!;
  const session = await openFrozen(vae, encoder({ height: height / scale, width: width / scale }), runtime, 1);
  let [count, sum, squares] = [0, 0, 0];
  try {
    for (const picture of pictures) {
      const { mean, logvar } = await session.run({ image: float32([1, 3, height, width], planes([picture])) });
      for (const [i, value] of (mean!.data as Float32Array).entries()) {
        sum += value;
        squares += value ** 2 + Math.exp((logvar!.data as Float32Array)[i]!);
        count++;
      }
    }
  } finally {
    await session.release();
  }
  const factor = 1 / Math.sqrt(squares / count - (sum / count) ** 2);
  if (Number.isFinite(factor) && factor > 0) return factor;
  throw new InputError(
    `The latents of ${vae.configFile} have no deviation: this VAE has learnt nothing that could be used.`,
  );
}
