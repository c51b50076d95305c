import type { PictureFormat } from "../../image/index.ts";
import { checkedRequest } from "../accept.ts";
import { ApiError } from "../error.ts";
import type { DrawRequest } from "../schema/draw.ts";
import { PARAMS } from "./problem.ts";
import type { Edit, Generation, Variation } from "./schema.ts";

/** How a client wants to be told of its pictures. */
export interface AnswerForm {
  readonly url: boolean;
  readonly base64: boolean;
  readonly format: PictureFormat;
  /** Of JPEG and WebP, 1–100. */
  readonly quality: number;
  /** As events, with so many previews on the way; absent for one answer. */
  readonly partialImages?: number;
}

export interface ReadRequest {
  readonly request: DrawRequest;
  readonly answer: AnswerForm;
}

/** Bytes of the pictures that a request starts from. */
export interface StartBytes {
  readonly image: Uint8Array;
  /** White where it is drawn anew. */
  readonly mask?: Uint8Array;
}

type Worded = Generation | Edit;

const GOALS: Partial<Record<NonNullable<Worded["quality"]>, string>> = { low: "fast", high: "quality", hd: "quality" };
/** Near enough to be the same picture, far enough to be another one. */
const VARIATION_STRENGTH = 0.6;

/** @throws ApiError for what is not to be had here */
export function generationRequest(body: Generation): ReadRequest {
  return read(body, wordsOf(body));
}

/** @throws ApiError for what is not to be had here */
export function editRequest(body: Edit, start: StartBytes): ReadRequest {
  if (body.input_fidelity === "high")
    refuse("input_fidelity", "high is not to be had here; say strength, from 0 to 1.");
  return read(body, { ...wordsOf(body), ...startOf(start), strength: body.strength ?? undefined });
}

/** @param words of the picture's own settings, where it carries them */
export function variationRequest(
  body: Variation,
  image: Uint8Array,
  words: Pick<DrawRequest, "prompt" | "negativePrompt">,
): ReadRequest {
  return read(body, { ...words, ...startOf({ image }), strength: body.strength ?? VARIATION_STRENGTH });
}

function wordsOf(body: Worded): DrawRequest {
  if (body.style) refuse("style", "there are no styles here; say it in the prompt.");
  if (body.background === "transparent") refuse("background", "pictures are opaque here: take opaque or auto.");
  const goal = GOALS[body.quality ?? "auto"];
  // What a client says itself stands above the goal.
  return {
    prompt: body.prompt,
    negativePrompt: body.negative_prompt ?? undefined,
    goal,
    steps: body.steps ?? undefined,
    guidance: body.guidance ?? undefined,
  };
}

function startOf({ image, mask }: StartBytes): Pick<DrawRequest, "image" | "mask"> {
  const source = (bytes: Uint8Array) => ({ base64: Buffer.from(bytes).toString("base64") });
  return { image: source(image), ...(mask && { mask: source(mask) }) };
}

function read(body: Worded | Variation, own: DrawRequest): ReadRequest {
  const request = {
    ...own,
    model: body.model ?? undefined,
    count: body.n ?? undefined,
    seed: body.seed ?? undefined,
    ...sizeOf(body.size),
  };
  return { request: checkedRequest(request, PARAMS), answer: answerOf(body) };
}

function sizeOf(size: string | null | undefined): Pick<DrawRequest, "width" | "height"> {
  if (!size || size === "auto") return {};
  const [width, height] = size.split("x").map(Number);
  return { width, height };
}

function answerOf(body: Worded | Variation): AnswerForm {
  const { response_format: wanted, output_format: format, output_compression: quality = 100, n } = body;
  const stream = "stream" in body && body.stream === true;
  const partialImages = "partial_images" in body ? (body.partial_images ?? undefined) : undefined;
  if (format && format !== "png" && wanted === "url") {
    refuse("response_format", `url gives PNGs alone; take b64_json for ${format}.`);
  }
  if ((format ?? "png") === "png" && (quality ?? 100) < 100) {
    refuse("output_compression", "a PNG loses nothing; take the output_format jpeg or webp.");
  }
  if (partialImages !== undefined && !stream) refuse("partial_images", "it is for stream: true alone.");
  if (stream && (n ?? 1) > 1) refuse("n", "a stream tells of one picture.");
  if (stream && wanted === "url") refuse("response_format", "a stream brings its picture as b64_json.");
  return {
    url: wanted === "url" || (wanted !== "b64_json" && (format ?? "png") === "png"),
    base64: wanted !== "url",
    format: format ?? "png",
    quality: Math.max(1, quality ?? 100),
    ...(stream && { partialImages: partialImages ?? 0 }),
  };
}

function refuse(at: string, why: string): never {
  throw new ApiError("invalid", `${at}: ${why}`, { at });
}
