import { cosine } from "../pipelines/index.ts";
import { notFound } from "./error.ts";
import type { GalleryItem } from "./schema/gallery.ts";
import type { Services } from "./services.ts";
import type { GalleryFilter } from "./store/gallery.ts";

/** Pictures that are looked through at most, the newest first. */
const MOST = 10_000;
/** Pictures that CLIP sees together. */
const BATCH = 8;

/**
 * The pictures of a filter by how close they are to a picture (by its id) or to words, the closest first. Where CLIP places a
 * picture is kept: it is looked at once.
 */
export async function rankBySimilarity(
  like: string,
  filter: GalleryFilter,
  { gallery, files, clip }: Pick<Services, "gallery" | "files" | "clip">,
  signal: AbortSignal,
): Promise<GalleryItem[]> {
  const items = gallery.list({ ...filter, limit: MOST });
  const picture = gallery.get(like);
  if (!picture && /^[0-9a-f]{20}-\d+$/.test(like)) throw notFound("picture", like);
  return clip.use(async (opened) => {
    const name = await opened.fingerprint();
    const known = gallery.embeddings(name);
    const fresh = [...items, ...(picture ? [picture] : [])].filter(({ id }) => !known.has(id));
    for (let i = 0; i < fresh.length; i += BATCH) {
      const batch = await Promise.all(
        fresh.slice(i, i + BATCH).map(async ({ id }) => ({ id, bytes: await files.pictures.read(`${id}.png`) })),
      );
      const there = batch.flatMap(({ id, bytes }) => (bytes ? [{ id, bytes }] : []));
      const embeddings = await opened.embedPictures(
        there.map(({ bytes }) => bytes),
        { signal },
      );
      for (const [k, { id }] of there.entries()) {
        gallery.setEmbedding(id, name, embeddings[k]!);
        known.set(id, embeddings[k]!);
      }
    }
    const wanted = picture ? known.get(picture.id) : (await opened.embedTexts([like], { signal }))[0];
    if (!wanted) return [];
    return items
      .filter(({ id }) => id !== picture?.id)
      .flatMap((item) => {
        const embedding = known.get(item.id);
        return embedding ? [{ ...item, similarity: cosine(embedding, wanted) }] : [];
      })
      .sort((a, b) => b.similarity - a.similarity);
  });
}
