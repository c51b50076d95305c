import { findSampler } from "../../diffusion/index.ts";
import { checkedRequest } from "../accept.ts";
import { ApiError } from "../error.ts";
import type { DrawRequest } from "../schema/draw.ts";
import { type OptionSettings, readOptions } from "./options.ts";
import type { Img2Img, Txt2Img } from "./schema.ts";

export interface ReadRequest {
  readonly request: DrawRequest;
  /** What of it was passed over. */
  readonly warnings: readonly string[];
}

/** Our settings in A1111's words. */
const NAMES: Readonly<Record<string, string>> = {
  negativePrompt: "negative_prompt",
  guidance: "cfg_scale",
  sampler: "sampler_name",
  schedule: "scheduler",
  count: "batch_size · n_iter",
  strength: "denoising_strength",
  maskBlur: "mask_blur",
  image: "init_images",
  model: "sd_model_checkpoint",
  clipSkip: "CLIP_stop_at_last_layers",
  tokenMerging: "token_merging_ratio",
};
/** A1111's own, where a client says none. */
const DENOISING = 0.75;

/**
 * @param options of this client, set before
 * @throws ApiError for what would give another picture than the one that was asked for
 */
export function txt2imgRequest(body: Txt2Img, options: OptionSettings = {}): ReadRequest {
  const { request, warnings } = read(body, options);
  return { request: checkedRequest(request, NAMES), warnings };
}

/** @param turned the mask with black and white exchanged, where that was asked for */
export function img2imgRequest(body: Img2Img, options: OptionSettings = {}, turned?: Uint8Array): ReadRequest {
  const { request, warnings } = read(body, options);
  const { init_images: images, mask, inpainting_fill: fill, initial_noise_multiplier: multiplier } = body;
  if (!images?.length) refuse("init_images", "a picture to start from is missing.");
  if (images.length > 1) refuse("init_images", "one picture is drawn anew at a time.");
  if ((body.resize_mode ?? 0) > 1) warnings.push("resize_mode: the picture was scaled to cover the size, and cut.");
  if (mask && (fill ?? 1) !== 1) warnings.push("inpainting_fill: it was drawn from what is in the picture (1).");
  if (mask && body.inpaint_full_res) warnings.push("inpaint_full_res: the whole picture was drawn, not an area of it.");
  if ((multiplier ?? 1) !== 1) warnings.push("initial_noise_multiplier was passed over.");
  const own: Partial<DrawRequest> = {
    image: { base64: base64Of(images[0]!, "init_images") },
    strength: body.denoising_strength ?? DENOISING,
    ...(mask && {
      mask: { base64: turned ? Buffer.from(turned).toString("base64") : base64Of(mask, "mask") },
      maskBlur: body.mask_blur ?? undefined,
    }),
  };
  return { request: checkedRequest({ ...request, ...own }, NAMES), warnings };
}

/**
 * A picture as A1111's clients send it: base64, or a data URL.
 *
 * @throws ApiError for an address: none is ever asked for
 */
export function base64Of(text: string, at: string): string {
  const data = /^data:[\w/+.-]{0,100};base64,/.exec(text.slice(0, 200));
  const base64 = data ? text.slice(data[0].length) : text;
  if (/^[a-z][a-z\d+.-]*:/i.test(base64.slice(0, 100))) {
    refuse(at, "pictures come as base64; addresses and paths are not looked at.");
  }
  return base64;
}

function read(body: Txt2Img, set: OptionSettings): { request: DrawRequest; warnings: string[] } {
  const warnings: string[] = [];
  refuseWhatIsMissing(body);
  const { settings, unknown } = readOptions(body.override_settings ?? {});
  if (unknown.length > 0) warnings.push(`override_settings: ${unknown.join(", ")} mean nothing here.`);
  if (body.styles?.length) warnings.push("styles: there are none here.");
  if (body.infotext) warnings.push("infotext was passed over.");
  if (body.s_churn) warnings.push("s_churn was passed over.");
  if (body.s_min_uncond) warnings.push("s_min_uncond was passed over.");
  const sampler = body.sampler_name || body.sampler_index || undefined;
  const request: DrawRequest = {
    ...set,
    ...settings,
    prompt: body.prompt ?? "",
    negativePrompt: body.negative_prompt || undefined,
    seed: (body.seed ?? -1) === -1 ? undefined : body.seed!,
    sampler,
    // "Automatic" is its word for nothing.
    schedule: /^automatic$/i.test(body.scheduler ?? "") ? undefined : body.scheduler || undefined,
    count: (body.batch_size ?? 1) * (body.n_iter ?? 1),
    steps: body.steps ?? undefined,
    guidance: body.cfg_scale ?? undefined,
    width: body.width ?? undefined,
    height: body.height ?? undefined,
    // Clients send it with every sampler; A1111 passes over it where there is nothing to scale.
    eta: sampler !== undefined && findSampler(sampler).takesEta ? (body.eta ?? undefined) : undefined,
  };
  return { request, warnings };
}

function refuseWhatIsMissing(body: Txt2Img): void {
  const { script_name: script, alwayson_scripts: always } = body;
  if (script) refuse("script_name", `script "${script.slice(0, 100)}" not found.`);
  const [first] = Object.keys(always ?? {});
  if (first !== undefined) refuse("alwayson_scripts", `always on script ${first.slice(0, 100)} not found.`);
  if (body.enable_hr) refuse("enable_hr", "there is no second pass here; draw it larger, or again by img2img.");
  if (body.restore_faces) refuse("restore_faces", "nothing here restores faces.");
  if (body.tiling) refuse("tiling", "pictures that tile are not drawn here.");
  if (body.refiner_checkpoint) refuse("refiner_checkpoint", "one model draws a picture here.");
  if (body.subseed_strength) refuse("subseed_strength", "seeds are not mixed here.");
  if ((body.seed_resize_from_w ?? 0) > 0 || (body.seed_resize_from_h ?? 0) > 0) {
    refuse("seed_resize_from_w", "the noise of another size is not to be had here.");
  }
}

function refuse(at: string, why: string): never {
  throw new ApiError("invalid", `${at}: ${why}`, { at });
}
