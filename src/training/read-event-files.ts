import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PbfReader } from "pbf";

/** Points of curves: what stood in an event file for a step, by the curves' names. */
export interface LoggedScalars {
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/**
 * The curves in a folder of event files, in the order of steps. Where a run went back and took steps anew the later ones count,
 * in one file or in several; what a process that was killed wrote last and not to the end is left out.
 */
export async function readScalars(folder: string): Promise<LoggedScalars[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith("events.out.tfevents."));
  const files = names.map((name) => ({ name, since: Number(name.split(".")[3]) })).sort((a, b) => a.since - b.since);
  const points: LoggedScalars[] = [];
  for (const { name } of files) {
    for (const record of recordsOf(await readFile(join(folder, name)))) {
      const point = scalarsOf(record);
      if (Object.keys(point.values).length === 0) continue;
      while (points.length > 0 && points.at(-1)!.step >= point.step) points.pop();
      points.push(point);
    }
  }
  return points;
}

/** The whole records of a TFRecord file (see `createEventFile`); who wrote them is trusted with the checksums. */
function* recordsOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at + 12 <= bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    if (at + 16 + length > bytes.length) return;
    yield bytes.subarray(at + 12, at + 12 + length);
    at += 16 + length;
  }
}

/** tensorflow's event.proto: 2 is the step, 5 the summary; in that 1 is a value, with its tag in 1 and its number in 2. */
function scalarsOf(record: Uint8Array): LoggedScalars {
  let step = 0;
  const values: Record<string, number> = {};
  const value = (field: number, named: { tag: string; number?: number }, pbf: PbfReader): void => {
    if (field === 1) named.tag = pbf.readString();
    if (field === 2) named.number = pbf.readFloat();
  };
  const summary = (field: number, _: unknown, pbf: PbfReader): void => {
    if (field !== 1) return;
    const { tag, number } = pbf.readMessage(value, { tag: "" } as { tag: string; number?: number });
    if (number !== undefined) values[tag] = number;
  };
  new PbfReader(record).readFields((field: number, _: unknown, pbf: PbfReader) => {
    if (field === 2) step = pbf.readVarint();
    if (field === 5) pbf.readMessage(summary, undefined);
  }, undefined);
  return { step, values };
}
