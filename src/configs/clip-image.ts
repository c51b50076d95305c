import { z } from "zod";
import { count, only, parseConfig } from "./parse.ts";

const side = count.max(4096);
const both = z.object({ height: side, width: side });
const perChannel = z.tuple([z.number(), z.number(), z.number()]);
const whether = z.boolean().nullish();

/** Of the pictures that OpenAI trained CLIP with, red, green, blue. */
const MEAN: [number, number, number] = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION: [number, number, number] = [0.26862954, 0.26130258, 0.27577711];

const schema = z.object({
  // A number is the shortest edge: how the first files were written.
  size: z.union([side, z.object({ shortest_edge: side }), both], { error: "not a size" }).optional(),
  crop_size: z.union([side, both], { error: "not a size" }).optional(),
  do_resize: whether,
  do_center_crop: whether,
  do_rescale: whether,
  do_normalize: whether,
  resample: only(3),
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  image_mean: perChannel.default(MEAN),
  image_std: perChannel.refine((std) => std.every((s) => s > 0), "deviations are above 0").default(DEVIATION),
});

/** How pictures become a network's input, in this order; a step that is undefined is left out. */
export interface ClipImageConfig {
  /** Pixels of the shortest edge, or of both. */
  readonly resize: number | { readonly width: number; readonly height: number } | undefined;
  readonly crop: { readonly width: number; readonly height: number } | undefined;
  /** What an 8-bit value is multiplied by. */
  readonly factor: number;
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/**
 * A CLIPImageProcessor's preprocessor_config.json, its old and its new form, with the class's defaults.
 *
 * @param imageSize pixels of a side where the file does not say: what the vision tower sees
 */
export function clipImageConfig(
  config: unknown,
  imageSize: number,
  file = "CLIP's preprocessor_config.json",
): ClipImageConfig {
  const { size = imageSize, crop_size: crop = imageSize, ...rest } = parseConfig(schema, config, file);
  const normalize = rest.do_normalize !== false;
  return {
    resize:
      rest.do_resize === false
        ? undefined
        : typeof size === "object" && "shortest_edge" in size
          ? size.shortest_edge
          : size,
    crop: rest.do_center_crop === false ? undefined : typeof crop === "number" ? { width: crop, height: crop } : crop,
    factor: rest.do_rescale === false ? 1 : rest.rescale_factor,
    mean: normalize ? rest.image_mean : [0, 0, 0],
    deviation: normalize ? rest.image_std : [1, 1, 1],
  };
}
