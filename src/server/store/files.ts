import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { saveBytes } from "../../image/index.ts";
import { InputError } from "../../tensor/index.ts";

/** Files by names of our own making, each there whole or not at all. */
export interface FileStore {
  /** Resolves when nothing can lose the file any more. What had its name is replaced. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  read(name: string): Promise<Buffer | undefined>;
  /** Piece by piece, as it is asked for. */
  stream(name: string): Promise<FileStream | undefined>;
  /** Resolves where there is none, too. */
  remove(name: string): Promise<void>;
  names(): Promise<string[]>;
  /** Removes what a process that was killed had begun to write, and says how many that were. */
  sweepTemporary(): Promise<number>;
}

/** Files cannot be reached where they lie: in a network, say. */
export class StorageError extends InputError {}

/** A file on its way. */
export interface FileStream {
  /** Bytes, where that is known. */
  readonly size?: number;
  readonly body: ReadableStream<Uint8Array>;
}

/** Bytes of a file that are in memory for each who reads it. */
const PIECE = 2 ** 18;
const TEMPORARY = /^\.inkling-.*\.tmp$/;
/** Milliseconds in which every file is written. */
const LONGEST_WRITE = 3_600_000;

/** Names come from rows of ours; one that does not is a fault of the program, never a path. */
export function checkName(name: string): string {
  if (isName(name)) return name;
  throw new Error(`"${name}" is no name of a kept file.`);
}

export function isName(name: string): boolean {
  return /^[\w-]+\.\w+$/.test(name);
}

/**
 * The files of a folder, which is made where it is missing.
 *
 * @param shared others write there, too: what they have begun is left alone until it is old
 */
export function createFileStore(folder: string, { shared = false } = {}): FileStore {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, checkName(name));
  const isLeft = async (path: string): Promise<boolean> => {
    if (!shared) return true;
    const info = await stat(path).catch(unlessMissing);
    return info !== undefined && Date.now() - info.mtimeMs > LONGEST_WRITE;
  };
  return {
    async write(name, bytes) {
      await saveBytes(at(name), bytes, { overwrite: true });
      await flushNames(folder);
    },
    read: (name) => readFile(at(name)).catch(unlessMissing),
    async stream(name) {
      const info = await stat(at(name)).catch(unlessMissing);
      return info && { size: info.size, body: bodyOf(at(name)) };
    },
    remove: (name) => rm(at(name), { force: true }),
    names: async () => (await readdir(folder)).filter(isName),
    async sweepTemporary() {
      let left = 0;
      for (const name of await readdir(folder)) {
        const path = join(folder, name);
        if (!TEMPORARY.test(name) || !(await isLeft(path))) continue;
        await rm(path, { force: true });
        left++;
      }
      return left;
    },
  };
}

/** @throws the error of a file that is there and cannot be read */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Between two pieces the file is not open: a client that never comes for the rest holds nothing. */
function bodyOf(path: string): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const handle = await open(path);
        try {
          const { bytesRead, buffer } = await handle.read(new Uint8Array(PIECE), 0, PIECE, offset);
          offset += bytesRead;
          if (bytesRead > 0) controller.enqueue(buffer.subarray(0, bytesRead));
          else controller.close();
        } finally {
          await handle.close();
        }
      },
    },
    { highWaterMark: 0 },
  );
}

/** A rename is on the disk when its folder is. */
async function flushNames(folder: string): Promise<void> {
  // Windows opens no folders, and needs it not.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
