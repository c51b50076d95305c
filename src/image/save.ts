import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, link, mkdir, open, realpath, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InputError } from "../tensor/index.ts";

export interface SaveOptions {
  /** Whether a file of that name may be replaced. Default false. */
  overwrite?: boolean;
}

/** What a file is made of: in one piece, or in pieces that are asked for one after another. */
export type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file whole or not at all: under a temporary name in the same folder, flushed to the disk, then given its name
 * in one step. A file that is there already stays, even one that appeared meanwhile, unless `overwrite` says otherwise.
 * A device or a pipe is written to directly.
 *
 * @throws InputError naming the path and the reason: it exists, the disk is full, the folder may not be written …
 */
export async function saveBytes(path: string, bytes: Bytes, options: SaveOptions = {}): Promise<void> {
  const kind = await kindOf(path);
  if (kind === "device") return attempt(path, () => writeDevice(path, bytes));
  if (kind === "folder") throw new InputError(`${path} is a folder; name a file in it.`);
  if (kind === "file" && !options.overwrite) throw exists(path);
  // Through a symbolic link, so that the link stays one.
  const target = kind === "file" ? await realpath(path) : path;
  const temporary = temporaryIn(dirname(target));
  // process.exit() in the midst of this, from a second Ctrl-C, must not leave the temporary file.
  const clean = (): void => rmSync(temporary, { force: true });
  process.once("exit", clean);
  try {
    await attempt(path, async () => {
      await writeFlushed(await open(temporary, "wx"), bytes);
      if (options.overwrite) await rename(temporary, target);
      else await place(temporary, target);
    });
  } finally {
    process.off("exit", clean);
    await rm(temporary, { force: true }).catch(() => {});
  }
}

function temporaryIn(folder: string): string {
  return join(folder, `.inkling-${randomBytes(8).toString("hex")}.tmp`);
}

async function writeFlushed(file: FileHandle, bytes: Bytes): Promise<void> {
  try {
    await writeFile(file, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeDevice(path: string, bytes: Bytes): Promise<void> {
  const file = await open(path, "w");
  try {
    await writeFile(file, bytes);
  } finally {
    await file.close();
  }
}

/** Gives the finished file its name; fails with EEXIST where the name is taken, with no moment between look and leap. */
async function place(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || code === "ENOSPC" || code === "EACCES" || code === "ENOENT") throw error;
    // File systems without hard links (FAT, some network shares): take the name first, then fill it.
    await (await open(target, "wx")).close();
    await rename(temporary, target);
  }
}

/**
 * Looks whether {@link saveBytes} will probably succeed, so that nobody waits for a picture that cannot be written.
 *
 * @param bytes how long the file may get
 * @throws InputError as saveBytes does
 */
export async function checkSave(path: string, bytes: number, options: SaveOptions = {}): Promise<void> {
  const kind = await kindOf(path);
  if (kind === "folder") throw new InputError(`${path} is a folder; name a file in it.`);
  if (kind === "device") return;
  if (kind === "file" && !options.overwrite) throw exists(path);
  await checkFolder(dirname(path), bytes);
}

/**
 * The same for a folder: there, writable, with room for `bytes`.
 *
 * @throws InputError naming the folder and the reason
 */
export async function checkFolder(folder: string, bytes: number): Promise<void> {
  const stats = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    throw writeError(folder, error);
  });
  if (!stats.isDirectory()) throw new InputError(`${folder} is not a folder.`);
  // Trying tells more than asking: about read-only disks, access lists, network shares that trust nobody.
  await attempt(folder, async () => {
    const probe = temporaryIn(folder);
    await (await open(probe, "wx")).close();
    await rm(probe, { force: true });
  });
  const disk = await statfs(folder).catch(() => undefined);
  const free = disk ? disk.bavail * disk.bsize : Number.POSITIVE_INFINITY;
  // Some network and memory file systems say 0 of 0 blocks and mean that they do not know.
  if (disk && disk.blocks > 0 && free < bytes) {
    throw new InputError(
      `The disk of ${folder} is full: ${free} bytes are free, a picture may take ${bytes}. Make room.`,
    );
  }
}

/** Makes the folder and those above it where they are missing. */
export async function makeFolder(folder: string): Promise<void> {
  await attempt(folder, () => makeEach(resolve(folder)));
}

/** Not mkdir's own `recursive`: where a folder cannot be made although the one above is there, as in /proc, that never ends. */
async function makeEach(folder: string): Promise<void> {
  try {
    return await mkdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const there = await stat(folder).catch(() => undefined);
    if (there?.isDirectory()) return;
    if (code !== "ENOENT" || dirname(folder) === folder) throw error;
  }
  await makeEach(dirname(folder));
  await mkdir(folder).catch(async (error: unknown) => {
    // Another process made it meanwhile.
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
  });
}

async function kindOf(path: string): Promise<"nothing" | "file" | "folder" | "device"> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw writeError(path, error);
  });
  if (!stats) return "nothing";
  return stats.isDirectory() ? "folder" : stats.isFile() ? "file" : "device";
}

async function attempt<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(path, error as NodeJS.ErrnoException);
  }
}

function exists(path: string): InputError {
  return new InputError(`${path} exists already and was left as it is. Choose another name, or allow overwriting.`);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full. Make room or choose another folder",
  EDQUOT: "your disk quota is used up. Make room or choose another folder",
  EFBIG: "the file would be larger than is allowed here",
  EACCES: "permission denied. Choose a folder that you may write to",
  EPERM: "permission denied. Choose a folder that you may write to",
  EROFS: "it lies on a read-only disk. Choose another folder",
  ENOENT: "the folder does not exist. Make it first",
  ENOTDIR: "a part of the path is a file, not a folder",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its symbolic links go round in a circle",
  EIO: "the disk reported an error",
};

/** The error for the user, with the first one as its cause. */
function writeError(path: string, error: NodeJS.ErrnoException): InputError {
  if (error instanceof InputError) return error;
  if (error.code === "EEXIST") return exists(path);
  const reason = (error.code && REASONS[error.code]) ?? error.message;
  return new InputError(`${path} cannot be written: ${reason}.`, { cause: error });
}
