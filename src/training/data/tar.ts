import { type FileHandle, open } from "node:fs/promises";
import { InputError } from "../../tensor/index.ts";

/** A file in an archive. */
export interface Member {
  readonly name: string;
  /** Where its bytes begin in the archive. */
  readonly offset: number;
  readonly size: number;
}

export interface Contents {
  readonly members: readonly Member[];
  /** What is wrong with the rest, where the archive is damaged or cut off. */
  readonly damage?: string;
}

const BLOCK = 512;
/** The longest extended header that is believed, in bytes. */
const MAX_HEADER = 2 ** 20;

/**
 * What is in a tar (POSIX ustar and pax, GNU's long names), found by its headers alone: as much is read of an archive of
 * gigabytes as it has files. Folders and links are left out.
 *
 * @throws InputError when it cannot be read, or is no tar
 */
export async function readContents(path: string, signal?: AbortSignal): Promise<Contents> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      `${path} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.message}.`,
    );
  });
  try {
    if (!(await file.stat()).isFile()) throw new InputError(`${path} is no file.`);
    return await contentsOf(file, path, signal);
  } finally {
    await file.close();
  }
}

async function contentsOf(file: FileHandle, path: string, signal: AbortSignal | undefined): Promise<Contents> {
  const { size: end } = await file.stat();
  const members: Member[] = [];
  /** Of the next member, from the extended headers before it. */
  let next: { path?: string; size?: string } = {};
  for (let at = 0; at + BLOCK <= end; ) {
    signal?.throwIfAborted();
    const block = await readAt(file, at, BLOCK);
    // The end is marked by blocks of zeros.
    if (block.every((byte) => byte === 0)) return { members };
    const header = parseHeader(block);
    if (!header) {
      if (members.length === 0) throw new InputError(`${path} ${notATar(block)}.`);
      return { members, damage: `${path} is damaged behind ${members.at(-1)!.name}: what follows is lost.` };
    }
    const size = next.size === undefined ? header.size : Number(next.size);
    const offset = at + BLOCK;
    if (offset + size > end) {
      return { members, damage: `${path} is cut off in ${next.path ?? header.name}: it was not copied whole.` };
    }
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (header.type === "x" || header.type === "L") {
      if (size > MAX_HEADER) return { members, damage: `${path} has a header of ${size} bytes: what follows is lost.` };
      const bytes = await readAt(file, offset, size);
      next = header.type === "L" ? { ...next, path: textOf(bytes) } : { ...next, ...paxRecords(bytes) };
      continue;
    }
    if (/[07\0]/.test(header.type)) members.push({ name: next.path ?? header.name, offset, size });
    if (header.type !== "g") next = {};
  }
  return { members, damage: `${path} has no end: it was not copied whole.` };
}

/**
 * The bytes of one of its members.
 *
 * @throws InputError when there are more than `limit`, or they cannot be read
 */
export async function readMember(path: string, { name, offset, size }: Member, limit: number): Promise<Uint8Array> {
  if (size > limit) throw new InputError(`${path}: ${name} has ${size} bytes: too many.`);
  try {
    const file = await open(path);
    try {
      return await readAt(file, offset, size);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new InputError(`${path}: ${name} cannot be read: ${(error as Error).message}.`);
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new Error("the file is shorter than it was");
    filled += bytesRead;
  }
  return bytes;
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** undefined where the checksum says that this is no header. */
function parseHeader(block: Uint8Array): Header | undefined {
  const field = (from: number, length: number): Uint8Array => block.subarray(from, from + length);
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (numberOf(field(148, 8)) !== sum) return undefined;
  const posix = textOf(field(257, 6)) === "ustar";
  const prefix = posix ? textOf(field(345, 155)) : "";
  const name = textOf(field(0, 100));
  const size = numberOf(field(124, 12));
  if (!Number.isSafeInteger(size)) return undefined;
  return { name: prefix ? `${prefix}/${name}` : name, size, type: String.fromCharCode(block[156]!) };
}

/** Octal digits, or where the first bit is set the number itself, as GNU writes what is too long for them. */
function numberOf(bytes: Uint8Array): number {
  if (bytes[0]! & 0x80) return bytes.reduce((total, byte, i) => total * 256 + (i === 0 ? byte & 0x7f : byte), 0);
  return Number.parseInt(textOf(bytes).trim() || "0", 8);
}

/** Up to the first zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** "20 path=a/b.png\n" and so on: the length of each record in bytes, its key and its value. */
function paxRecords(bytes: Uint8Array): { path?: string; size?: string } {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(textOf(bytes.subarray(at, at + 20)), 10);
    if (!(length > 0)) break;
    const [, key, value] = /^\d+ ([^=]+)=(.*)\n$/s.exec(textOf(bytes.subarray(at, at + length))) ?? [];
    if (key !== undefined) records[key] = value!;
    at += length;
  }
  const { path, size } = records;
  return { ...(path !== undefined && { path }), ...(/^\d+$/.test(size ?? "") && { size }) };
}

function notATar(block: Uint8Array): string {
  const packed = (block[0] === 0x1f && block[1] === 0x8b) || textOf(block).startsWith("BZh");
  return packed ? "is compressed: unpack it to a plain .tar, whose files can be reached one by one" : "is no tar";
}

/** A tar of these files, piece by piece, as POSIX ustar. All are dated 1970, so that the same files make the same tar. */
export async function* tarOf(
  files: AsyncIterable<{ readonly name: string; readonly bytes: Uint8Array }>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const { name, bytes } of files) {
    yield headerOf(name, bytes.length);
    yield bytes;
    yield new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  }
  yield new Uint8Array(2 * BLOCK);
}

function headerOf(name: string, size: number): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const encoder = new TextEncoder();
  const put = (at: number, text: string): void => header.set(encoder.encode(text), at);
  if (encoder.encode(name).length > 100) throw new RangeError(`The name ${name} is too long for a tar.`);
  put(0, name);
  put(100, "0000644\0" + "0000000\0" + "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0`);
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\x0000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}
