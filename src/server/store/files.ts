import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { saveBytes } from "../../image/index.ts";

/** Files by names of our own making, each there whole or not at all. */
export interface FileStore {
  /** Resolves when the file and its name are on the disk. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  read(name: string): Promise<Buffer | undefined>;
  /** Piece by piece, as it is asked for. */
  stream(name: string): Promise<FileStream | undefined>;
  remove(name: string): Promise<void>;
  names(): Promise<string[]>;
  /** Removes what a process that was killed had begun to write, and says how many that were. */
  sweepTemporary(): Promise<number>;
}

/** A file on its way. */
export interface FileStream {
  /** Bytes. */
  readonly size: number;
  readonly body: ReadableStream<Uint8Array>;
}

/** Bytes of a file that are in memory for each who reads it. */
const PIECE = 2 ** 18;
const TEMPORARY = /^\.inkling-.*\.tmp$/;

/** The files of a folder, which is made where it is missing. */
export function createFileStore(folder: string): FileStore {
  mkdirSync(folder, { recursive: true });
  // Names come from rows of ours; one that does not is a fault of the program, never a path.
  const at = (name: string): string => {
    if (!/^[\w-]+\.\w+$/.test(name)) throw new Error(`"${name}" is no name of a kept file.`);
    return join(folder, name);
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
    names: async () => (await readdir(folder)).filter((name) => !TEMPORARY.test(name)),
    async sweepTemporary() {
      const left = (await readdir(folder)).filter((name) => TEMPORARY.test(name));
      await Promise.all(left.map((name) => rm(join(folder, name), { force: true })));
      return left.length;
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
