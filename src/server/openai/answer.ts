import { decodePicture, encodePicture } from "../../image/index.ts";
import type { GalleryItem } from "../schema/gallery.ts";
import type { Job } from "../schema/job.ts";
import type { AnswerForm } from "./request.ts";
import type { ImagesResponse, Usage } from "./schema.ts";

/** What answers are made with. */
export interface AnswerTools {
  readonly form: AnswerForm;
  readonly usage: Usage;
  /** Where the client reaches the server. */
  readonly origin: string;
  /** The PNG of a picture. */
  readonly png: (item: GalleryItem) => Promise<Uint8Array>;
}

/** All pictures of a job that is done. */
export async function imagesResponse(job: Job, tools: AnswerTools): Promise<ImagesResponse> {
  const { form, usage, origin, png } = tools;
  const data: ImagesResponse["data"] = [];
  for (const item of job.pictures) {
    data.push({
      ...(form.url && { url: new URL(item.url, origin).href }),
      ...(form.base64 && { b64_json: base64(await inFormat(await png(item), form, item.infotext)) }),
    });
  }
  return { ...described(job, form), data, usage };
}

/** The end of a stream. */
export async function completedEvent(kind: "generation" | "edit", job: Job, tools: AnswerTools) {
  const { form, usage, png } = tools;
  const item = job.pictures[0]!;
  const b64_json = base64(await inFormat(await png(item), form, item.infotext));
  const { created: created_at, ...rest } = described(job, form);
  return { type: `image_${kind}.completed`, b64_json, created_at, quality: "auto", ...rest, usage };
}

/** @param preview a data URL of a small PNG */
export async function partialEvent(
  kind: "generation" | "edit",
  job: Job,
  index: number,
  preview: string,
  { form }: Pick<AnswerTools, "form">,
) {
  const bytes = Buffer.from(preview.slice(preview.indexOf(",") + 1), "base64");
  const b64_json = base64(await inFormat(bytes, form));
  const { created: created_at, ...rest } = described(job, form);
  return {
    type: `image_${kind}.partial_image`,
    b64_json,
    partial_image_index: index,
    created_at,
    quality: "auto",
    ...rest,
  };
}

/** After which call each of so many previews is due: evenly between the beginning and the end. */
export function dueCalls(previews: number, calls: number): number[] {
  return Array.from({ length: previews }, (_, i) => Math.ceil(((i + 1) * calls) / (previews + 1)));
}

function described({ created, settings }: Job, { format }: AnswerForm) {
  return {
    created: Math.floor(Date.parse(created) / 1000),
    background: "opaque" as const,
    output_format: format,
    size: `${settings.width}x${settings.height}`,
  };
}

async function inFormat(png: Uint8Array, { format, quality }: AnswerForm, infotext?: string): Promise<Uint8Array> {
  if (format === "png") return png;
  return encodePicture(await decodePicture(png, "The picture"), format, infotext, { quality });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
