import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { saveBytes } from "../../image/index.ts";

/** Files by names of our own making, each there whole or not at all. */
export interface FileStore {
  /** Resolves when the file and its name are on the disk. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  read(name: string): Promise<Buffer | undefined>;
  remove(name: string): Promise<void>;
  names(): Promise<string[]>;
  /** Removes what a process that was killed had begun to write, and says how many that were. */
  sweepTemporary(): Promise<number>;
}

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
    read: (name) =>
      readFile(at(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    remove: (name) => rm(at(name), { force: true }),
    names: async () => (await readdir(folder)).filter((name) => !TEMPORARY.test(name)),
    async sweepTemporary() {
      const left = (await readdir(folder)).filter((name) => TEMPORARY.test(name));
      await Promise.all(left.map((name) => rm(join(folder, name), { force: true })));
      return left.length;
    },
  };
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
