import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { PbfWriter } from "pbf";
import { makeFolder } from "../image/index.ts";

/** A picture as it stands in an event file. */
export interface LoggedPicture {
  readonly width: number;
  readonly height: number;
  readonly png: Uint8Array;
}

/** Curves and pictures for TensorBoard. */
export interface EventFile {
  readonly path: string;
  /** A point of each curve, by its name: "train/loss". */
  scalars(step: number, values: Readonly<Record<string, number>>): Promise<void>;
  picture(step: number, tag: string, picture: LoggedPicture): Promise<void>;
  close(): Promise<void>;
}

/**
 * A new event file of TensorBoard in `folder`: a run that goes on writes another one beside the first, as TensorBoard expects.
 * Records of protocol buffers (tensorflow's event.proto and summary.proto) with their lengths and checksums (TFRecord).
 *
 * @param now seconds since 1970
 */
export async function createEventFile(folder: string, now: () => number = () => Date.now() / 1000): Promise<EventFile> {
  await makeFolder(folder);
  const path = join(folder, `events.out.tfevents.${Math.floor(now())}.${process.pid}.inkling`);
  const file: FileHandle = await open(path, "w");
  const write = async (step: number, rest: (event: PbfWriter) => void): Promise<void> => {
    const event = new PbfWriter();
    event.writeDoubleField(1, now());
    event.writeVarintField(2, step);
    rest(event);
    await file.write(record(event.finish()));
  };
  const value = (tag: string, write: (value: PbfWriter) => void) => (summary: PbfWriter) => {
    summary.writeMessage(
      1,
      (_, out) => {
        out.writeStringField(1, tag);
        write(out);
      },
      undefined,
    );
  };
  const summary = (step: number, values: readonly ((summary: PbfWriter) => void)[]) =>
    write(step, (event) =>
      event.writeMessage(
        5,
        (_, out) => {
          for (const each of values) each(out);
        },
        undefined,
      ),
    );
  await write(0, (event) => event.writeStringField(3, "brain.Event:2"));
  return {
    path,
    scalars: (step, values) =>
      summary(
        step,
        Object.entries(values).map(([tag, number]) => value(tag, (out) => out.writeFloatField(2, number))),
      ),
    picture: (step, tag, picture) => summary(step, [value(tag, (out) => out.writeMessage(4, writeImage, picture))]),
    close: () => file.close(),
  };
}

function writeImage({ width, height, png }: LoggedPicture, out: PbfWriter): void {
  out.writeVarintField(1, height);
  out.writeVarintField(2, width);
  out.writeVarintField(3, RGB);
  out.writeBytesField(4, png);
}

/** summary.proto's word for three channels. */
const RGB = 3;

/** TFRecord: the length in 8 bytes, its checksum, the data, its checksum. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return bytes;
}

/** A checksum of data that holds checksums would be weak: TFRecord turns and shifts it. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli et al. 1993), bit by bit: events are small. */
export function crc32c(data: Uint8Array): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
