import type { Job } from "../schema/job.ts";
import type { Img2Img, Txt2Img } from "./schema.ts";

/** A1111's `info`, which is JSON in a text, with our warnings beside it. */
export function infoOf({ settings, pictures, created }: Job, warnings: readonly string[], version: string): string {
  const { prompt, negativePrompt, seed, width, height, sampler, guidance, steps, model, modelHash } = settings;
  const all = <T>(value: T): T[] => pictures.map(() => value);
  return JSON.stringify({
    prompt,
    all_prompts: all(prompt),
    negative_prompt: negativePrompt,
    all_negative_prompts: all(negativePrompt),
    seed,
    all_seeds: pictures.map((picture) => picture.seed),
    subseed: seed,
    all_subseeds: pictures.map((picture) => picture.seed),
    subseed_strength: 0,
    width,
    height,
    sampler_name: sampler,
    cfg_scale: guidance,
    steps,
    batch_size: pictures.length,
    restore_faces: false,
    face_restoration_model: null,
    sd_model_name: model,
    sd_model_hash: pictures[0]?.settings.modelHash ?? modelHash ?? null,
    sd_vae_name: null,
    sd_vae_hash: null,
    seed_resize_from_w: -1,
    seed_resize_from_h: -1,
    denoising_strength: settings.strength ?? null,
    extra_generation_params: {},
    index_of_first_image: 0,
    infotexts: pictures.map((picture) => picture.infotext),
    styles: [],
    job_timestamp: stampOf(created),
    clip_skip: settings.clipSkip ?? 1,
    is_using_inpainting_conditioning: false,
    version,
    warnings,
  });
}

/** The request as it is told back: pictures only where they were asked for. */
export function parametersOf(body: Txt2Img | Img2Img): Record<string, unknown> {
  if (!("init_images" in body) || body.include_init_images) return body;
  return { ...body, init_images: null, mask: null };
}

/** A1111's way to write a moment: 20240131235959. */
export function stampOf(iso: string): string {
  return iso.replace(/\D/g, "").slice(0, 14);
}

/** How far the caller's job is, as A1111 says it; undefined for none. */
export function progressOf(job: Job | undefined, preview: string | undefined) {
  const { calls = 0, call = 0, picture = 0, pictures = job?.settings.count ?? 0 } = job?.progress ?? {};
  const done = calls === 0 ? 0 : (picture + call / calls) / pictures;
  return {
    progress: Math.min(done, 1),
    eta_relative: job?.secondsLeft ?? 0,
    state: {
      skipped: false,
      interrupted: false,
      stopping_generation: false,
      job: job?.id ?? "",
      job_count: job ? pictures : 0,
      job_timestamp: job ? stampOf(job.created) : "0",
      job_no: picture,
      sampling_step: call,
      sampling_steps: calls,
    },
    current_image: preview === undefined ? null : preview.slice(preview.indexOf(",") + 1),
    textinfo: job?.position == null ? null : `Waiting: ${job.position} jobs are drawn before it`,
  };
}
