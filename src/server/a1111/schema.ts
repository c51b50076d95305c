import { z } from "zod";
import { MAX_PICTURES } from "../schema/draw.ts";

const text = z.string().nullish();
const number = z.number().nullish();
const count = z.int().min(1).max(MAX_PICTURES).nullish();
const flag = z.boolean().nullish();
const scripts = z.record(z.string().max(200), z.unknown()).nullish();

/** What `override_settings` and `/sdapi/v1/options` take; values as A1111 has them. */
const optionValue = z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]);
export const optionValues = z.record(z.string().max(200), z.union([optionValue, z.array(optionValue).max(1000)]));

/**
 * A1111's request for pictures from words, as far as it is looked at. As there, what is not named here is passed over.
 * Absent or null: as our own settings are where they are left out.
 */
export const txt2img = z
  .object({
    prompt: text,
    negative_prompt: text,
    styles: z.array(z.string()).nullish(),
    seed: number.describe("−1: any"),
    subseed_strength: number,
    seed_resize_from_w: number,
    seed_resize_from_h: number,
    sampler_name: text,
    sampler_index: text.describe("An old name of sampler_name"),
    scheduler: text,
    batch_size: count,
    n_iter: count,
    steps: number,
    cfg_scale: number,
    width: number,
    height: number,
    restore_faces: flag,
    tiling: flag,
    eta: number,
    s_churn: number,
    s_min_uncond: number,
    denoising_strength: number,
    enable_hr: flag,
    refiner_checkpoint: text,
    script_name: text,
    alwayson_scripts: scripts,
    infotext: text,
    override_settings: optionValues.nullish(),
    send_images: flag,
  })
  .meta({ id: "Txt2Img" });

/** The same from a picture. */
export const img2img = txt2img
  .extend({
    init_images: z.array(z.string()).nullish().describe("One picture as base64 or a data URL"),
    mask: text,
    mask_blur: number,
    resize_mode: number,
    inpainting_fill: number,
    inpaint_full_res: z.union([z.boolean(), z.number()]).nullish(),
    inpainting_mask_invert: number,
    initial_noise_multiplier: number,
    include_init_images: flag,
  })
  .meta({ id: "Img2Img" });

export type Txt2Img = z.infer<typeof txt2img>;
export type Img2Img = z.infer<typeof img2img>;

export const drawnAnswer = z
  .object({
    images: z.array(z.string()).describe("PNGs as base64"),
    parameters: z.object({}).describe("The request"),
    info: z.string().describe("JSON: seeds, infotexts, and warnings of what was passed over"),
  })
  .meta({ id: "A1111Images" });

export const progress = z
  .object({
    progress: z.number(),
    eta_relative: z.number(),
    state: z.object({}),
    current_image: z.string().nullable(),
    textinfo: z.string().nullable(),
  })
  .meta({ id: "A1111Progress" });

export const pngInfoRequest = z.object({ image: z.string() }).meta({ id: "A1111PngInfoRequest" });
export const pngInfo = z
  .object({ info: z.string(), items: z.record(z.string(), z.string()), parameters: z.record(z.string(), z.string()) })
  .meta({ id: "A1111PngInfo" });
