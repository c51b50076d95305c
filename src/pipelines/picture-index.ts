import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { makeFolder, type Picture, picturesIn, readPicture } from "../image/index.ts";
import { float32, InputError, toFloat32 } from "../tensor/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../weights/index.ts";
import { ownCacheFolder } from "./cache-folder.ts";
import { type Clip, cosine, type Embedding } from "./clip.ts";

/** A picture file and where CLIP places it. */
export interface IndexedPicture {
  readonly path: string;
  readonly embedding: Embedding;
}

export interface IndexProgress {
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number;
}

export interface IndexOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: IndexProgress) => void;
  /** Told of what is no picture that can be read, and of folders that may not be looked into; they are left out. */
  readonly onSkip?: (path: string, reason: string) => void;
  /** The environment's variables: where the user's caches are. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Pictures that go through CLIP together. */
const BATCH = 8;
/** What was embedded is kept at least this often, in seconds. */
const KEEP_EVERY = 30;

/**
 * The embeddings of picture files, in their order, a few at a time. Files that cannot be read are left out.
 *
 * @throws what the signal says
 */
export async function* embedFiles(
  clip: Pick<Clip, "embedPictures">,
  paths: readonly string[],
  { signal, onProgress = () => {}, onSkip = () => {} }: Omit<IndexOptions, "env"> = {},
): AsyncGenerator<readonly IndexedPicture[], void, void> {
  const start = performance.now();
  for (let i = 0; i < paths.length; i += BATCH) {
    const batch = paths.slice(i, i + BATCH);
    const read: { path: string; picture: Picture }[] = [];
    for (const path of batch) {
      signal?.throwIfAborted();
      try {
        read.push({ path, picture: await readPicture(path) });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        onSkip(path, error.message);
      }
    }
    const pictures = read.map(({ picture }) => picture);
    const embeddings = await clip.embedPictures(pictures, { signal });
    yield read.map(({ path }, k) => ({ path, embedding: embeddings[k]! }));
    const done = i + batch.length;
    const seconds = (performance.now() - start) / 1000;
    onProgress({ done, total: paths.length, secondsLeft: (seconds / done) * (paths.length - done) });
  }
}

/**
 * Every PNG, JPEG and WebP in a folder and the folders in it, hidden ones aside, with its embedding. What was embedded is
 * kept in the user's cache folder under the file's path, size and time and the model's weights, also when the signal
 * fires: asked again, only what is new is looked at.
 *
 * @throws InputError when the folder cannot be read or holds no picture
 */
export async function indexPictures(clip: Clip, folder: string, options: IndexOptions = {}): Promise<IndexedPicture[]> {
  const { env = process.env, onSkip = () => {} } = options;
  const paths = await picturesIn(folder, onSkip);
  const cache = await openCache(clip, await realpath(folder), env);
  const found = new Map<string, IndexedPicture>();
  const fresh = new Map<string, string>();
  for (const path of paths) {
    const status = await stat(path).catch(() => undefined);
    const key = JSON.stringify([relative(folder, path), status?.size, status?.mtimeMs]);
    const embedding = cache.known.get(key);
    if (embedding) found.set(path, { path, embedding });
    else fresh.set(path, key);
  }
  const kept = new Map([...cache.known].filter(([key]) => paths.includes(join(folder, JSON.parse(key)[0] as string))));
  let last = performance.now();
  let changed = kept.size < cache.known.size;
  try {
    for await (const batch of embedFiles(clip, [...fresh.keys()], options)) {
      for (const picture of batch) {
        found.set(picture.path, picture);
        kept.set(fresh.get(picture.path)!, picture.embedding);
        changed = true;
      }
      if (performance.now() - last < 1000 * KEEP_EVERY) continue;
      await cache.keep(kept);
      last = performance.now();
    }
  } finally {
    if (changed) await cache.keep(kept);
  }
  return paths.flatMap((path) => found.get(path) ?? []);
}

/** `pictures` with the cosine of each to `wanted`, the best first. */
export function rankPictures(
  pictures: readonly IndexedPicture[],
  wanted: Embedding,
): (IndexedPicture & { readonly cosine: number })[] {
  return pictures
    .map((picture) => ({ ...picture, cosine: cosine(picture.embedding, wanted) }))
    .sort((a, b) => b.cosine - a.cosine);
}

/** What is known of a folder's pictures. */
interface Cache {
  readonly known: ReadonlyMap<string, Embedding>;
  /** Writes it anew, whole or not at all. The cache is a convenience: where it cannot be written, nothing is said. */
  keep(known: ReadonlyMap<string, Embedding>): Promise<void>;
}

async function openCache(clip: Clip, folder: string, env: NonNullable<IndexOptions["env"]>): Promise<Cache> {
  const base = ownCacheFolder(env);
  if (!base) return { known: new Map(), keep: async () => {} };
  const fingerprint = createHash("sha256").update(JSON.stringify([await clip.fingerprint(), folder]));
  const inside = join(base, "embeddings");
  const path = join(inside, `${fingerprint.digest("hex").slice(0, 32)}.safetensors`);
  return {
    known: await readCache(path, clip.dimension).catch(() => new Map()),
    async keep(known) {
      const rows = new Float32Array(known.size * clip.dimension);
      [...known.values()].forEach((embedding, i) => {
        rows.set(embedding, i * clip.dimension);
      });
      const embeddings = float32([known.size, clip.dimension], rows);
      try {
        await makeFolder(inside);
        await writeSafetensors(path, { embeddings }, { pictures: JSON.stringify([...known.keys()]) });
      } catch {}
    },
  };
}

/** Throws where the file is missing, damaged, or not what was written here. */
async function readCache(path: string, dimension: number): Promise<Map<string, Embedding>> {
  const { tensors, metadata } = await readSafetensors(path);
  const keys = JSON.parse(metadata.get("pictures")!) as string[];
  const stored = tensors.get("embeddings")!;
  if (stored.dtype !== "float32" || stored.shape.join() !== [keys.length, dimension].join()) {
    throw new InputError(`${path} is no cache of embeddings.`);
  }
  const rows = toFloat32(await readTensor(stored));
  return new Map(keys.map((key, i) => [key, rows.slice(i * dimension, (i + 1) * dimension)]));
}
