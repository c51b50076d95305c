import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { listPrepared, WEIGHTS } from "./prepared-folder.ts";

/** Bytes that are compared at once. */
const PIECE = 8 * 2 ** 20;

/**
 * The same network for another picture size has the same weights: where an entry's are another one's to the byte, they
 * become one file with two names.
 *
 * @returns whether they did
 */
export async function shareWeights(folder: string, key: string): Promise<boolean> {
  const own = join(folder, key, WEIGHTS);
  const { size, ino } = await stat(own);
  for (const other of listPrepared(folder)) {
    const file = join(folder, other.key, WEIGHTS);
    const found = await stat(file).catch(() => undefined);
    if (other.key === key || found?.size !== size) continue;
    if (found.ino === ino) return true;
    if (!(await sameBytes(own, file))) continue;
    const second = join(folder, `.draft-${process.pid}-${key}`);
    try {
      await link(file, second);
      await rename(second, own);
    } finally {
      await rm(second, { force: true });
    }
    return true;
  }
  return false;
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  const files: FileHandle[] = [];
  try {
    for (const path of [a, b]) files.push(await open(path));
    const pieces = files.map(() => Buffer.allocUnsafe(PIECE));
    for (;;) {
      const reads = await Promise.all(files.map((file, i) => file.read(pieces[i]!, 0, PIECE)));
      const [one, two] = reads.map(({ bytesRead }, i) => pieces[i]!.subarray(0, bytesRead));
      if (!one!.equals(two!)) return false;
      if (one!.length === 0) return true;
    }
  } finally {
    for (const file of files) await file.close();
  }
}
