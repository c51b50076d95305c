import { encodePicture, loadEncoder, quickPng, writeInfotext } from "../../image/index.ts";
import type { Drawn } from "../../pipelines/best-of.ts";
import type { BestEvent, GenerateEvent, Inkling, LoadOptions } from "../../pipelines/index.ts";
import { type DrawnWith, extraFields } from "../../pipelines/infotext-extra.ts";
import type { GenerateSettings } from "../../pipelines/settings.ts";
import type { DrawnPicture, JobOrder, WorkEvent } from "./queue.ts";

/** A loaded model, as far as jobs use it. */
export type Drawer = Pick<Inkling, "model" | "stream" | "close">;

/** What a model was loaded with, as far as pictures tell it. */
export type LoadedWith = Pick<LoadOptions, "vae" | "config" | "variant" | "prediction">;

export interface DrawJobTools {
  readonly drawer: Drawer;
  /** The order's request as the library takes it. */
  readonly settings: GenerateSettings;
  readonly loadedWith?: LoadedWith;
  readonly signal: AbortSignal;
}

/**
 * Draws what is left of a job. A picture has the seed that it would have had in one go: it is the same however often the job is
 * begun.
 */
export async function* drawJob(
  { drawn, settings: { bestOf = 1, count, noise, seed } }: JobOrder,
  { drawer, settings, loadedWith, signal }: DrawJobTools,
): AsyncGenerator<WorkEvent, void, void> {
  if (drawn >= count) return;
  // One generator for all gives the noise of all; where each has its own, drawing can begin anywhere.
  const from = noise === "each" ? drawn : 0;
  const left = { seed: seed + from * bestOf, count: count - from };
  const candidates = new Map<number, Drawn>();
  for await (const event of drawer.stream({ ...settings, ...left, preview: true, signal })) {
    if (event.type === "start") loadEncoder().catch(() => {});
    if (event.type === "image" && bestOf === 1) {
      const { picture } = event;
      yield await finished(event, from + picture, { ...loadedWith, picture, count });
    } else if (event.type === "image") {
      const { pixels: _, ...kept } = event;
      candidates.set(event.picture, kept);
    } else if (event.type === "best") {
      const best = candidates.get(event.picture)!;
      candidates.clear();
      yield await finished(best, from + event.candidateFor, { ...loadedWith, count, judged: event }, event);
    } else {
      const told = toldOf(event, from * bestOf);
      if (told) yield told;
    }
  }
}

/** What watchers are told of an event of the library, pictures counted from the job's first candidate on. */
function toldOf(event: GenerateEvent, before: number): WorkEvent | undefined {
  switch (event.type) {
    case "tokens":
      return event.dropped
        ? { type: "note", message: `Too long for the model, left out: ${event.dropped}` }
        : undefined;
    case "step": {
      const { picture, call, calls, timestep, sigma, secondsLeft, preview } = event;
      const step = { type: "step", picture: before + picture, call, calls, timestep, sigma, secondsLeft } as const;
      return preview ? { ...step, makePreview: () => dataUrl(quickPng(preview)) } : step;
    }
    case "decode":
      return { ...event, picture: before + event.picture };
    case "score": {
      const { type, picture, seed, score, candidateFor, of } = event;
      return { type, picture: before + picture, seed, score, candidateFor: candidateFor + before / of, of };
    }
    default:
      return undefined;
  }
}

async function finished(
  { image, settings, seconds }: Drawn,
  index: number,
  drawnWith: DrawnWith,
  best?: BestEvent,
): Promise<DrawnPicture> {
  const infotext = writeInfotext(settings, extraFields(settings, drawnWith));
  const { width, height } = image;
  const score = best && { score: best.score };
  const png = await encodePicture(image, "png", infotext);
  return { type: "picture", index, width, height, settings, infotext, ...score, seconds, png };
}

function dataUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
}
