import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { MADE_AHEAD } from "../graph/index.ts";

/** The optimised graph of an entry; the weights that it refers to lie beside it. */
export const GRAPH = "graph.onnx";
/** The weights of an entry, folded. */
export const WEIGHTS = MADE_AHEAD;

/** Bytes that prepared weights may take where nobody said. */
export const PREPARED_LIMIT: number = 20 * 2 ** 30;

/** A network that was prepared. */
export interface PreparedEntry {
  readonly key: string;
  /** The network's name, for people. */
  readonly name: string;
  /** When it was last opened, milliseconds. */
  readonly used: number;
  /** Of a file that several entries share, its part. */
  readonly bytes: number;
}

/** What an entry says about itself: written last, so that what it lacks is not whole. */
interface Manifest {
  readonly name: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** The system's run in which it was written: until it was flushed, what is on the disk is known to be there in this one alone. */
  readonly boot: string | undefined;
}

const MANIFEST = "entry.json";
/** Tells that the disk itself has everything. */
const FLUSHED = "flushed";
const KEY = /^[0-9a-f]{64}$/;
const DRAFT = /^\.draft-(\d+)-/;
const DAY = 24 * 3600 * 1000;

/** The path of an entry, now its folder's most recently used one; what is damaged is removed. */
export function findEntry(folder: string, key: string): string | undefined {
  const path = join(folder, key);
  const manifest = readManifest(path);
  if (!manifest || !isWhole(path, manifest)) {
    removeEntry(folder, key);
    return undefined;
  }
  const now = new Date();
  try {
    utimesSync(join(path, MANIFEST), now, now);
  } catch {
    // Somebody else's, or on a disk that is read only: it can be read all the same.
  }
  return path;
}

function isWhole(path: string, { sizes, boot }: Manifest): boolean {
  const here = (boot !== undefined && boot === bootId()) || isFlushed(path);
  return here && Object.entries(sizes).every(([file, size]) => sizeOf(join(path, file)) === size);
}

/** Why there can be no new entry. */
export class NoRoom extends Error {}

export interface Room {
  /** Bytes that the new entry will take at most. */
  readonly wanted: number;
  /** Bytes that all entries together may take. */
  readonly limit: number;
  /** Keys of those that have to stay. */
  readonly inUse: ReadonlySet<string>;
}

/**
 * An empty folder for an entry in the making. What others left unfinished is removed, and entries make room, the one that
 * was not used for longest first.
 *
 * @throws NoRoom, or what the system says
 */
export function newDraft(folder: string, room: Room): string {
  // What is prepared are a person's own weights.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  removeDrafts(folder, isAbandoned);
  makeRoom(folder, room);
  return mkdtempSync(join(folder, `.draft-${process.pid}-`));
}

function makeRoom(folder: string, { wanted, limit, inUse }: Room): void {
  const entries = listPrepared(folder);
  const others = entries.filter(({ key }) => !inUse.has(key)).sort((a, b) => a.used - b.used);
  const sum = (all: readonly PreparedEntry[]): number => all.reduce((bytes, entry) => bytes + entry.bytes, 0);
  const { bavail, bsize } = statfsSync(folder);
  let [taken, free] = [sum(entries), bavail * bsize];
  // Looked at before anything is removed: nothing has to go for an entry that finds no room after all.
  if (taken - sum(others) + wanted > limit) {
    throw new NoRoom(`they take up to ${gib(wanted)}, more than the limit of ${gib(limit)} leaves`);
  }
  if (free + sum(others) < 2 * wanted) {
    throw new NoRoom(`the disk has ${gib(free)} free, less than twice the ${gib(wanted)} that they may take`);
  }
  for (const { key } of others) {
    const before = taken;
    if (taken + wanted <= limit && free >= 2 * wanted) break;
    removeEntry(folder, key);
    taken = sum(listPrepared(folder));
    free += before - taken;
  }
}

/**
 * Makes an entry of a finished draft, in one step. Where another process was faster its entry stays, and this one goes.
 */
export function placeDraft(draft: string, folder: string, { key, name }: Pick<PreparedEntry, "key" | "name">): void {
  const sizes = Object.fromEntries(readdirSync(draft).map((file) => [file, sizeOf(join(draft, file))!]));
  const manifest: Manifest = { name, sizes, boot: bootId() };
  writeFileSync(join(draft, MANIFEST), JSON.stringify(manifest));
  const path = join(folder, key);
  try {
    renameSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Whether an entry outlasts a crash of the system. */
export function isFlushed(path: string): boolean {
  return existsSync(join(path, FLUSHED));
}

/** Brings an entry from the system's memory to the disk, which takes seconds for gigabytes and holds nobody up. */
export async function flushEntry(path: string): Promise<void> {
  for (const file of [...Object.keys(readManifest(path)?.sizes ?? {}), MANIFEST]) {
    const handle = await open(join(path, file), "r+");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  writeFileSync(join(path, FLUSHED), "");
}

/** The entries of a folder; none where there is no such folder. */
export function listPrepared(folder: string): PreparedEntry[] {
  return namesIn(folder).flatMap((key) => {
    if (!KEY.test(key)) return [];
    const path = join(folder, key);
    const bytes = namesIn(path).reduce((sum, file) => sum + shareOf(join(path, file)), 0);
    const used = statSync(join(path, MANIFEST), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return [{ key, name: readManifest(path)?.name ?? "", used, bytes }];
  });
}

/** Removes every entry, and what was left unfinished; nothing else that may lie there. Returns what was removed. */
export function clearPrepared(folder: string): PreparedEntry[] {
  const entries = listPrepared(folder);
  for (const { key } of entries) removeEntry(folder, key);
  removeDrafts(folder, isAbandoned);
  const left = new Set(listPrepared(folder).map(({ key }) => key));
  return entries.filter(({ key }) => !left.has(key));
}

/** A session that has it open goes on with it, except on Windows, where such an entry stays. */
export function removeEntry(folder: string, key: string): void {
  const path = join(folder, key);
  if (!existsSync(path)) return;
  try {
    // First out of sight: an entry is there whole or not at all, even where this process ends in between.
    const gone = mkdtempSync(join(folder, `.draft-${process.pid}-`));
    renameSync(path, join(gone, key));
    rmSync(gone, { recursive: true, force: true });
  } catch {
    // Not ours to remove.
  }
}

/** Removes what the process `pid`, which has ended, left unfinished. */
export function removeDraftsOf(folder: string, pid: number): void {
  removeDrafts(folder, (_, maker) => maker === pid);
}

function removeDrafts(folder: string, isStale: (path: string, maker: number) => boolean): void {
  for (const name of namesIn(folder)) {
    const maker = DRAFT.exec(name)?.[1];
    const path = join(folder, name);
    if (maker === undefined || !isStale(path, Number(maker))) continue;
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Not ours to remove.
    }
  }
}

function isAbandoned(path: string, maker: number): boolean {
  const time = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return Date.now() - time > DAY || !isRunning(maker);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readManifest(path: string): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(path, MANIFEST), "utf8")) as Manifest;
    return typeof manifest.sizes === "object" && GRAPH in manifest.sizes ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Names this run of the system, where the system does. */
function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

function shareOf(file: string): number {
  const { size, nlink } = statSync(file, { throwIfNoEntry: false }) ?? { size: 0, nlink: 1 };
  return size / Math.max(nlink, 1);
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
