import { z } from "zod";
import { type DrawnSettings, drawnSettings } from "./draw.ts";

const when = z.iso.datetime();

/** A finished picture. It is kept, with its settings inside of the file, until it is deleted for good. */
export const galleryItem = z
  .object({
    id: z.string(),
    url: z.string().describe("The PNG, with its settings inside: /api/pictures/ID"),
    thumbnail: z.string().describe("A WebP of at most 384 pixels a side: /api/pictures/ID/thumbnail"),
    width: z.int(),
    height: z.int(),
    job: z.string().describe("The id of the job that drew it"),
    index: z.int().describe("Which of the job's pictures it is, from 0"),
    prompt: z.string(),
    seed: z.int(),
    model: z.string(),
    settings: drawnSettings.describe("What it was drawn with"),
    infotext: z.string().describe("The same as A1111 writes it, as it stands in the file"),
    score: z.number().optional().describe("How well it fits its prompt by CLIP, where it is the best of several"),
    similarity: z.number().optional().describe("−1 to 1, where similar pictures were asked for"),
    favourite: z.boolean(),
    created: when,
    deleted: when.nullable().describe("When it was put into the bin; it can be restored from there"),
  })
  .meta({ id: "GalleryItem" });

/** A finished picture, as JSON. */
export interface GalleryItem extends Omit<z.infer<typeof galleryItem>, "settings"> {
  settings: DrawnSettings;
}

/** What to list: the newest first, or where likeness is asked for the closest. */
export const galleryQuery = z.object({
  search: z.string().max(500).optional().describe("Words of prompt or settings that all have to be there"),
  similar: z.string().max(500).optional().describe("The id of a picture, or words: the closest by CLIP come first"),
  favourite: z.enum(["true", "false"]).optional().describe("true: favourites alone"),
  deleted: z.enum(["true", "false"]).optional().describe("true: what is in the bin"),
  before: z.string().max(100).optional().describe("The id of a picture: those after it in the list"),
  limit: z.coerce.number().int().min(1).max(200).optional().describe("Default 50"),
});
export type GalleryQuery = z.infer<typeof galleryQuery>;

export const galleryPage = z
  .object({
    pictures: z.array(galleryItem),
    next: z.string().nullable().describe("What `before` has to be for the next page; null where there is none"),
  })
  .meta({ id: "GalleryPage" });
export interface GalleryPage {
  pictures: GalleryItem[];
  next: string | null;
}

export const galleryPatch = z.strictObject({ favourite: z.boolean() }).meta({ id: "GalleryPatch" });
export type GalleryPatch = z.infer<typeof galleryPatch>;
