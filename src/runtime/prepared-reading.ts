import { closeSync, fstatSync, openSync, readSync, readv } from "node:fs";
import { freemem } from "node:os";
import { promisify } from "node:util";

/** Bytes that are read at once, or not at all. */
const STRETCH = 64 * 2 ** 20;
/** Where a stretch is looked at. */
const LOOKS = 4;
/** Milliseconds that a page from the system's memory hardly ever takes, one from a disk always. */
const FROM_DISK = 0.05;

/**
 * Has the system read what it does not hold of a file, in order, beside whatever else is done. What a session maps is otherwise
 * read where a step touches it first, page by page, while it waits. Does nothing where the file would not stay in memory, or
 * cannot be read.
 *
 * @param slow milliseconds for a page beyond which it is held to come from a disk
 * @returns bytes that were read
 */
export async function readAhead(path: string, slow = FROM_DISK): Promise<number> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    // The session tells it.
    return 0;
  }
  try {
    const { size } = fstatSync(file);
    if (size > freemem()) return 0;
    // All land in one place: they are wanted in the system's memory, not in ours.
    const piece = new Uint8Array(2 ** 20);
    const into = new Array<Uint8Array>(STRETCH / piece.length).fill(piece);
    const reads: Promise<{ bytesRead: number }>[] = [];
    // A session is made on the thread that all JavaScript runs on: what is to go on meanwhile has to be asked for before.
    for (let at = 0; at < size; at += STRETCH)
      if (isOnDisk(file, at, Math.min(STRETCH, size - at), slow)) reads.push(promisify(readv)(file, into, at));
    return (await Promise.all(reads)).reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  } catch {
    return 0;
  } finally {
    closeSync(file);
  }
}

/** Whether some page of a stretch takes its time. */
function isOnDisk(file: number, at: number, length: number, slow: number): boolean {
  const page = new Uint8Array(4096);
  for (let look = 0; look < LOOKS; look++) {
    const begun = performance.now();
    readSync(file, page, 0, page.length, at + Math.floor((look * length) / LOOKS));
    if (performance.now() - begun > slow) return true;
  }
  return false;
}
