import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../image/index.ts";
import { type Checkpoint, hashFiles, type WeightStore } from "../weights/index.ts";
import { ownCacheFolder } from "./cache-folder.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** SHA-256 of a checkpoint's U-Net file or, where it is a single file, of that one; 64 hexadecimal digits. */
export function modelHash({ unet }: Pick<Checkpoint, "unet">, env: Environment): Promise<string> {
  return weightsHash(unet.weights, env);
}

/**
 * SHA-256 of the files that hold weights, one after another; 64 hexadecimal digits. Gigabytes are read once: the hash is
 * kept in the user's cache folder under the files' names, sizes and times.
 */
export async function weightsHash(weights: WeightStore, env: Environment): Promise<string> {
  const files = weights.files();
  const facts = await Promise.all(files.map(async (file) => ({ file, ...(await sizeAndTime(file)) })));
  const key = JSON.stringify(facts);
  const folder = ownCacheFolder(env);
  const path = folder && join(folder, "hashes.json");
  const known = await readHashes(path);
  const found = known[key];
  if (typeof found === "string") return found;
  const hash = await hashFiles(files);
  if (path) await writeHashes(folder, path, { ...(await readHashes(path)), [key]: hash }).catch(() => {});
  return hash;
}

async function sizeAndTime(file: string): Promise<{ size: number; time: number }> {
  const { size, mtimeMs } = await stat(file);
  return { size, time: mtimeMs };
}

async function readHashes(path: string | undefined): Promise<Record<string, unknown>> {
  if (!path) return {};
  try {
    return { ...(JSON.parse(await readFile(path, "utf8")) as object) };
  } catch {
    return {};
  }
}

/** The cache is a convenience: whoever cannot write it hashes again next time. */
async function writeHashes(folder: string, path: string, hashes: Record<string, unknown>): Promise<void> {
  await makeFolder(folder);
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, JSON.stringify(hashes));
  await rename(temporary, path);
}
