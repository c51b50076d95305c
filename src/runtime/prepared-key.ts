import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import type { OnnxModel } from "../graph/index.ts";

/** A file of weights, as far as it can be told from another one without reading it. */
export interface WeightFile {
  /** With links followed. */
  readonly path: string;
  readonly size: bigint;
  readonly modifiedNs: bigint;
  readonly inode: bigint;
}

/** Everything that prepared weights depend on. Threads are not among it: what is written is the same for any number. */
export interface Ingredients {
  /** The graph, which says where in the files which weight lies, and those of what is computed ahead. */
  readonly graphs: readonly Uint8Array[];
  readonly files: readonly WeightFile[];
  /** How far the graph is optimised. */
  readonly level: string;
  /** ONNX Runtime's version. */
  readonly version: string;
  /** What kernels, and with them the layout of some weights, are chosen by. */
  readonly processor: string;
}

/** How entries are written: counted up when what lies in them changes. */
const FORMAT = 2;

/** SHA-256 over all of it; 64 hexadecimal digits. */
export function keyOf({ graphs, files, level, version, processor }: Ingredients): string {
  const lengths = graphs.map(({ length }) => length);
  const facts = [FORMAT, level, version, processor, files.map((file) => Object.values(file).map(String)), ...lengths];
  const hash = createHash("sha256").update(JSON.stringify(facts));
  for (const graph of graphs) hash.update(graph);
  return hash.digest("hex");
}

/** @throws what the system says where a file is not there */
export function ingredientsOf(model: OnnxModel, level: string, version: string): Ingredients {
  const { ahead } = model;
  const models = ahead ? ahead.pieces.map((piece) => piece.model) : [model];
  const paths = models.flatMap(({ folder, locations }) => locations.map((location) => join(folder, location)));
  const files = [...new Set(paths)].map((file) => {
    const path = realpathSync(file);
    const { size, mtimeNs: modifiedNs, ino: inode } = statSync(path, { bigint: true });
    return { path, size, modifiedNs, inode };
  });
  const graphs = [...(ahead ? [ahead.graph] : []), ...models.map(({ bytes }) => bytes)];
  return { graphs, files, level, version, processor: processor() };
}

/** Lines of /proc/cpuinfo that say what a processor can do, on x86 and on Arm; the others count its beats. */
const ABLE = /^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\s*:.*$/gm;
/** The first processor stands in these; the file of a large machine takes a while to read. */
const FIRST_BYTES = 8192;

/** What is told of this machine's processor, line by line. */
export function processor(): string {
  const told = firstProcessor().match(ABLE) ?? [cpus()[0]?.model ?? ""];
  return [process.platform, process.arch, ...told].join("\n");
}

function firstProcessor(): string {
  let file: number | undefined;
  try {
    file = openSync("/proc/cpuinfo", "r");
    const buffer = Buffer.alloc(FIRST_BYTES);
    const text = buffer.toString("utf8", 0, readSync(file, buffer));
    return text.split("\n\n")[0]!;
  } catch {
    return "";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
