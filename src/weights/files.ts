import type { Stats } from "node:fs";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import {
  byteWidth,
  type DType,
  dtypes,
  InputError,
  type StoredTensor,
  type Tensor,
  tensor,
  viewBytes,
} from "../tensor/index.ts";
import { type JsonObject, parseJson } from "./json.ts";
import { dtypeNames, headerLength, PREFIX, parseHeader } from "./safetensors.ts";

/** Enough to tell what a file is. */
const START = 512;
/** Node reads and writes less than 2 GiB at a time. */
const CHUNK = 1 << 28;

export interface SafetensorsFile {
  /** As it was asked for; what messages name. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The tensors of a .safetensors file: their types, shapes and places, never their bytes. The header is checked in full
 * first (safetensors.ts); no more memory is taken than the file itself has bytes of header.
 *
 * @throws InputError naming the file: missing, unreadable, damaged, or something else than safetensors
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const { size } = await statFile(path);
  const file = await realpath(path);
  const handle = await openToRead(file, path);
  try {
    const start = await readBytes(handle, 0, Math.min(size, START), path);
    const header = await readBytes(handle, PREFIX, headerLength(start, size, path), path);
    const { tensors, metadata } = parseHeader(header, size, path);
    const stored = new Map<string, StoredTensor>();
    for (const [name, entry] of tensors) stored.set(name, { ...entry, file });
    return { path, tensors: stored, metadata };
  } finally {
    await handle.close();
  }
}

/** The bytes of a stored tensor, read into memory. */
export async function readTensor(stored: StoredTensor): Promise<Tensor> {
  const handle = await openToRead(stored.file, stored.file);
  try {
    const bytes = await readBytes(handle, stored.offset, stored.length, stored.file);
    return tensor(stored.dtype, stored.shape, viewBytes(stored.dtype, bytes));
  } finally {
    await handle.close();
  }
}

/**
 * The pieces of a .safetensors file, none of them a copy. Wider types come first, then names in order, so that every
 * tensor is aligned for its type.
 *
 * @param metadata texts for the header's `__metadata__`
 */
export function* encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array, void, void> {
  const rank = (dtype: DType) => -byteWidth(dtype) * dtypes.length + dtypes.indexOf(dtype);
  const order = Object.entries(tensors).sort(
    ([a, { dtype: x }], [b, { dtype: y }]) => rank(x) - rank(y) || (a < b ? -1 : 1),
  );
  yield encodeHeader(order, metadata);
  for (const [, { data }] of order) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Writes tensors as a .safetensors file: under a temporary name first, renamed when complete, so that nobody ever sees
 * half a file.
 *
 * @param path replaced if it exists
 * @param metadata texts for the header's `__metadata__`
 * @throws what the file system says: no room, no permission; the old file stays
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}-${Date.now().toString(36)}.part`;
  const handle = await open(temporary, "wx");
  try {
    for (const bytes of encodeSafetensors(tensors, metadata)) await writeBytes(handle, bytes);
    await handle.close();
    await rename(temporary, path);
  } catch (error) {
    await handle.close();
    await rm(temporary, { force: true });
    throw error;
  }
}

function encodeHeader(order: readonly (readonly [string, Tensor])[], metadata: Readonly<Record<string, string>>) {
  const entries: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of order) {
    entries.push([name, { dtype: dtypeNames[dtype], shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(PREFIX + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, PREFIX);
  return bytes;
}

/**
 * A JSON file from outside, read within a limit.
 *
 * @param limit most bytes it may have
 * @throws InputError naming the file
 */
export async function readJson(path: string, limit = 1 << 20): Promise<JsonObject> {
  return parseJson(await readSmall(path, limit), path, { constants: true });
}

/** A UTF-8 text file, read within a limit of `limit` bytes. Throws an InputError naming the file. */
export async function readText(path: string, limit: number): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readSmall(path, limit));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${path} is not UTF-8 text. The file is damaged: get it again.`);
  }
}

async function readSmall(path: string, limit: number): Promise<Uint8Array> {
  const { size } = await statFile(path);
  if (size > limit) {
    throw new InputError(
      `${path} has ${size} bytes; a file of its kind has no more than ${limit}. Is it the right one?`,
    );
  }
  const handle = await openToRead(path, path);
  try {
    return await readBytes(handle, 0, size, path);
  } finally {
    await handle.close();
  }
}

/** The status of a plain file (links followed); throws an InputError for anything else, before opening it. */
export async function statFile(path: string): Promise<Stats> {
  const status = await statOrUndefined(path);
  if (!status) throw new InputError(`${path} does not exist.`);
  if (status.isDirectory()) throw new InputError(`${path} is a folder, not a file.`);
  // A pipe or a device would block or never end.
  if (!status.isFile()) throw new InputError(`${path} is not a plain file.`);
  return status;
}

/** Undefined where nothing is; throws an InputError where something is that may not be looked at. */
export async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unreadable(path, error);
  }
}

async function openToRead(file: string, path: string): Promise<FileHandle> {
  try {
    return await open(file, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): InputError {
  return new InputError(`${path} cannot be read: ${(error as Error).message}. Check the permissions.`);
}

async function readBytes(handle: FileHandle, offset: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(CHUNK, length - done), offset + done);
    if (bytesRead === 0) throw new InputError(`${path} became shorter while it was read. Get it again.`);
    done += bytesRead;
  }
  return bytes;
}

async function writeBytes(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, Math.min(CHUNK, bytes.length - done))).bytesWritten;
  }
}
