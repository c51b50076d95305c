import { vaeConfig } from "../configs/index.ts";
import { add, clip, Graph, include, mul } from "../graph/index.ts";
import { type Picture, pictureFromPixels } from "../image/index.ts";
import { vaeDecoder, vaeEncoder } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import type { ModelPart } from "../weights/index.ts";
import { openFrozen } from "./frozen.ts";
import { planes } from "./planes.ts";

/**
 * Pictures of one size as an AutoencoderKL gives them back: the means of their latents, decoded.
 *
 * @throws InputError where the weights do not fit the configuration
 */
export async function reconstructed(
  part: ModelPart,
  pictures: readonly Picture[],
  runtime: Runtime,
): Promise<Picture[]> {
  const config = vaeConfig(part.config, part.configFile);
  const { width, height } = pictures[0]!;
  const scale = 2 ** (config.block_out_channels.length - 1);
  const size = { height: height / scale, width: width / scale };
  const g = new Graph("reconstruction");
  const image = g.input("image", "float32", ["batch", 3, height, width]);
  const { mean } = include(g, "", vaeEncoder(config, size), { image });
  const { image: given } = include(g, "", vaeDecoder(config, size), { latents: mean! });
  g.output("given", clip(mul(add(given!, 1), 0.5), 0, 1));
  const session = await openFrozen(part, g, runtime, 1);
  try {
    const back: Picture[] = [];
    for (const picture of pictures) {
      const outputs = await session.run({ image: float32([1, 3, height, width], planes([picture])) });
      back.push(await pictureFromPixels(outputs["given"] as Tensor<"float32">));
    }
    return back;
  } finally {
    await session.release();
  }
}
