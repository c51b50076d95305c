import { createHash } from "node:crypto";
import { type Picture, preprocess } from "../image/index.ts";
import { clipVision } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import type { WeightStore } from "../weights/index.ts";
import type { ClipModel } from "./clip-lesson.ts";
import { remembered, type TensorCache } from "./data/cache.ts";
import { openFrozen } from "./frozen.ts";

/** Pictures as CLIP sees them. */
export interface PictureEmbeddings {
  /** [B, D], each of length 1. */
  of(pictures: readonly Picture[]): Promise<Tensor<"float32">>;
  close(): Promise<void>;
}

/** @param cache of what CLIP gave: it does not learn */
export async function openPictureEmbeddings(
  { config, preparing }: Pick<ClipModel, "config" | "preparing">,
  weights: WeightStore,
  runtime: Runtime,
  cache: TensorCache,
): Promise<PictureEmbeddings> {
  const session = await openFrozen({ weights }, clipVision(config), runtime, 1);
  const look = async (picture: Picture): Promise<Record<string, Tensor>> => {
    const { image_features: seen } = await session.run({ pixel_values: await preprocess([picture], preparing) });
    const values = seen!.data as Float32Array;
    const length = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    return {
      embedding: float32(
        [config.projection],
        values.map((x) => x / length),
      ),
    };
  };
  return {
    async of(pictures) {
      const rows = new Float32Array(pictures.length * config.projection);
      for (const [i, picture] of pictures.entries()) {
        const { embedding } = await remembered(cache, keyOf(picture), () => look(picture));
        rows.set(embedding!.data as Float32Array, i * config.projection);
      }
      return float32([pictures.length, config.projection], rows);
    },
    close: () => session.release(),
  };
}

function keyOf({ width, height, data }: Picture): string {
  return createHash("sha256").update(`${width}×${height}`).update(data).digest("hex");
}
