import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { makeFolder } from "../../image/index.ts";
import type { Tensor } from "../../tensor/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../../weights/index.ts";
import { type Attributes, type Dataset, type Example, isSkipped, type Places } from "./dataset.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** What was computed once, by a text that says of what. */
export interface TensorCache {
  /** undefined where there is nothing, or something damaged. */
  get(key: string): Promise<Kept | undefined>;
  put(key: string, kept: Kept): Promise<void>;
}

export interface Kept {
  readonly tensors: Tensors;
  /** What goes with them, as JSON. */
  readonly note?: unknown;
}

export interface CacheOptions {
  /**
   * Of what computes: the files of the VAE or the text encoder, and every setting that changes what it comes to. Another
   * identity finds nothing of this one's.
   */
  readonly identity: string;
  /** Told once when nothing can be kept, such as where the disk is full. Nothing else is lost then. */
  readonly onTrouble?: (reason: string) => void;
}

/**
 * A cache of tensors in a folder: a .safetensors file each, which appears whole or not at all and carries the hash of its
 * bytes. It may be deleted at any time, and several processes may use it.
 */
export function openCache(folder: string, { identity, onTrouble = () => {} }: CacheOptions): TensorCache {
  const own = join(folder, sha256(identity).slice(0, 16));
  const pathOf = (key: string): string => join(own, sha256(key).slice(0, 2), `${sha256(key)}.safetensors`);
  let told = false;
  return {
    get: (key) => read(pathOf(key)).catch(() => undefined),
    async put(key, kept) {
      const path = pathOf(key);
      try {
        await makeFolder(dirname(path));
        await writeSafetensors(path, kept.tensors, { hash: hashOf(kept), note: JSON.stringify(kept.note ?? null) });
      } catch (error) {
        if (!told) onTrouble(`Nothing more is kept in ${folder}: ${(error as Error).message}`);
        told = true;
      }
    },
  };
}

/** Throws where the file is missing, or is not what was written. */
async function read(path: string): Promise<Kept> {
  const file = await readSafetensors(path);
  const tensors: Record<string, Tensor> = {};
  for (const [name, stored] of file.tensors) tensors[name] = await readTensor(stored);
  const kept = { tensors, note: JSON.parse(file.metadata.get("note") ?? "") as unknown };
  // A machine that lost its power may have kept a file's name and length, but not its bytes.
  if (file.metadata.get("hash") !== hashOf(kept)) throw new Error(`${path} is damaged.`);
  return kept;
}

function hashOf({ tensors, note = null }: Kept): string {
  const hash = createHash("sha256").update(JSON.stringify(note));
  for (const name of Object.keys(tensors).sort()) {
    const { dtype, shape, data } = tensors[name]!;
    hash.update(JSON.stringify([name, dtype, shape]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** An example as a network sees it. */
export interface Encoded {
  readonly key: string;
  readonly caption: string;
  readonly attributes?: Attributes;
  readonly tensors: Tensors;
}

/**
 * A dataset's examples as `encode` makes them: latents, say, of its pictures. Each is made once and kept by what it was
 * made of ({@link Dataset.identify}); then its picture is not decoded again. Nothing is left to chance: the first caption,
 * the crop in the middle.
 *
 * @param encode an example → tensors by their names
 */
export function cached(
  dataset: Dataset,
  cache: TensorCache,
  encode: (example: Example, signal: AbortSignal | undefined) => Promise<Tensors>,
): Places<Encoded> {
  return {
    name: dataset.name,
    length: dataset.length,
    async at(index, { signal } = {}) {
      const identity = await dataset.identify(index);
      signal?.throwIfAborted();
      const kept = await cache.get(identity);
      if (kept) return { ...(kept.note as Omit<Encoded, "tensors">), tensors: kept.tensors };
      const example = await dataset.at(index, { signal });
      if (isSkipped(example)) return example;
      const { picture: _, ...note } = example;
      const tensors = await encode(example, signal);
      await cache.put(identity, { tensors, note });
      return { ...note, tensors };
    },
  };
}

/** What `make` comes to for a text, such as a caption's embedding: made once. */
export async function remembered(cache: TensorCache, text: string, make: () => Promise<Tensors>): Promise<Tensors> {
  const kept = await cache.get(text);
  if (kept) return kept.tensors;
  const tensors = await make();
  await cache.put(text, { tensors });
  return tensors;
}
