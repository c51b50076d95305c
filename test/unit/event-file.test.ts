import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PbfReader } from "pbf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { crc32c, createEventFile } from "../../src/training/event-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inkling-events-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The records of a TFRecord file, their lengths and checksums looked at. */
function recordsOf(bytes: Buffer): Buffer[] {
  const unmask = (masked: number): number => {
    const turned = (masked - 0xa282ead8) >>> 0;
    return ((turned >>> 17) | (turned << 15)) >>> 0;
  };
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

type Fields = Record<number, unknown>;

/** A message's fields by their numbers; `nested` says which of them are messages, and which are floating point. */
function fieldsOf(data: Uint8Array, kinds: Readonly<Record<number, (pbf: PbfReader) => unknown>>): Fields {
  return new PbfReader(data).readFields((tag: number, fields: Fields, pbf: PbfReader) => {
    fields[tag] = kinds[tag]!(pbf);
  }, {} as Fields);
}

it("holds the checksum's published value", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
});

it("is read as TensorBoard reads it: a version, curves, pictures", async () => {
  const file = await createEventFile(join(folder, "logs"), () => 1_700_000_000.5);
  await file.scalars(7, { "train/loss": 0.25 });
  await file.picture(8, "samples", { width: 3, height: 2, png: Uint8Array.of(1, 2, 3) });
  await file.close();
  expect(file.path).toMatch(/logs\/events\.out\.tfevents\.1700000000\.\d+\.inkling$/);
  const image = (pbf: PbfReader) =>
    fieldsOf(pbf.readBytes(), {
      1: (p) => p.readVarint(),
      2: (p) => p.readVarint(),
      3: (p) => p.readVarint(),
      4: (p) => [...p.readBytes()],
    });
  const value = (pbf: PbfReader) =>
    fieldsOf(pbf.readBytes(), { 1: (p) => p.readString(), 2: (p) => p.readFloat(), 4: image });
  const events = recordsOf(readFileSync(file.path)).map((record) =>
    fieldsOf(record, {
      1: (p) => p.readDouble(),
      2: (p) => p.readVarint(),
      3: (p) => p.readString(),
      5: (p) => fieldsOf(p.readBytes(), { 1: value }),
    }),
  );
  expect(events).toEqual([
    { 1: 1_700_000_000.5, 2: 0, 3: "brain.Event:2" },
    { 1: 1_700_000_000.5, 2: 7, 5: { 1: { 1: "train/loss", 2: 0.25 } } },
    { 1: 1_700_000_000.5, 2: 8, 5: { 1: { 1: "samples", 4: { 1: 2, 2: 3, 3: 3, 4: [1, 2, 3] } } } },
  ]);
});
