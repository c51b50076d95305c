import type { Logger } from "pino";
import type { FileStore } from "./files.ts";
import type { GalleryStore } from "./gallery.ts";
import type { JobStore } from "./jobs.ts";

export interface SweepTools extends RemovalTools {
  readonly store: Pick<JobStore, "get">;
  readonly gallery: Pick<GalleryStore, "ids" | "doomed" | "remove">;
  readonly uploads: FileStore;
}

export interface RemovalTools {
  readonly gallery: Pick<GalleryStore, "remove">;
  readonly pictures: FileStore;
  readonly thumbnails: FileStore;
  readonly log: Logger;
}

/** Removes the files of pictures that were deleted for good, and their rows. What cannot be reached now is left for another time. */
export async function removeDoomed(ids: readonly string[], tools: RemovalTools): Promise<void> {
  const { gallery, pictures, thumbnails, log } = tools;
  for (const id of ids) {
    try {
      await Promise.all([pictures.remove(`${id}.png`), thumbnails.remove(`${id}.webp`)]);
      gallery.remove(id);
    } catch (err) {
      log.warn({ err, picture: id }, "a picture that was deleted could not be removed yet");
    }
  }
}

/**
 * Removes what a process that was killed left half done: temporary files, and files that were written or were to be removed when
 * it ended between file and row. A picture is removed only where its job is known, has ended, and has no row for it: with a
 * database that was lost nothing is.
 */
export async function sweep(tools: SweepTools): Promise<void> {
  const { store, gallery, pictures, thumbnails, uploads, log } = tools;
  await removeDoomed(gallery.doomed(), tools);
  const rows = gallery.ids();
  const orphans = async (files: FileStore, isOrphan: (stem: string) => boolean): Promise<number> => {
    const names = (await files.names()).filter((name) => isOrphan(name.slice(0, name.lastIndexOf("."))));
    for (const name of names) await files.remove(name);
    return names.length;
  };
  const swept = {
    temporary: (await Promise.all([pictures, thumbnails, uploads].map((files) => files.sweepTemporary()))).reduce(
      (sum, count) => sum + count,
      0,
    ),
    pictures: await orphans(pictures, (id) => !rows.has(id) && Boolean(store.get(id.split("-")[0]!)?.finished)),
    thumbnails: await orphans(thumbnails, (id) => !rows.has(id)),
  };
  if (Object.values(swept).some((count) => count > 0)) log.info(swept, "swept");
}
