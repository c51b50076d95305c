import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { InputError } from "../../tensor/index.ts";
import type { Attributes } from "./dataset.ts";
import { objectOf } from "./description.ts";

/** A line of a list of pictures: what stands in it, or what is wrong with it. */
export interface Line {
  /** For messages. */
  readonly where: string;
  /** Among all lines, counted as people do. */
  readonly number: number;
  /** @throws InputError where the line is damaged */
  read(): Attributes;
}

/** The lists of pictures that are read, as Hugging Face's imagefolder reads them. */
const readers: Readonly<Record<string, (bytes: Buffer, path: string) => Line[] | Promise<Line[]>>> = {
  "metadata.jsonl": jsonLines,
  "metadata.csv": csvLines,
  "metadata.parquet": parquetLines,
};

export const isMetadata = (path: string): boolean => basename(path) in readers;

/**
 * What a list of pictures says of each.
 *
 * @throws InputError where it cannot be read as a whole
 */
export async function readMetadata(path: string): Promise<Line[]> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new InputError(`${path} cannot be read: ${error.message}.`);
  });
  return readers[basename(path)]!(bytes, path);
}

function jsonLines(bytes: Buffer, path: string): Line[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((line, i) => {
      const where = `${path}, line ${i + 1}`;
      return line.trim() === "" ? [] : [{ where, number: i + 1, read: () => objectOf(line, where) }];
    });
}

interface CsvRecord {
  readonly info: { readonly lines: number };
  readonly record: Readonly<Record<string, string>>;
}

/** The first line names the columns. What is empty is not said. */
async function csvLines(bytes: Buffer, path: string): Promise<Line[]> {
  const { parse } = await import("csv-parse/sync");
  const bad: Line[] = [];
  const fail = (message: string): never => {
    throw new InputError(`${path} cannot be read as CSV: ${message}.`);
  };
  let records: readonly CsvRecord[] = [];
  try {
    // It counts a line break of two characters within a cell twice.
    records = parse(bytes.toString("utf8").replaceAll("\r\n", "\n"), {
      bom: true,
      columns: true,
      info: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (error) => {
        if (!error) return undefined;
        const { message, lines } = error as unknown as { readonly message: string; readonly lines: number };
        const where = `${path}, line ${lines}`;
        const read = (): never => {
          throw new InputError(`${where}: ${message}.`);
        };
        bad.push({ where, number: lines, read });
        return undefined;
      },
    }) as unknown as readonly CsvRecord[];
  } catch (error) {
    fail((error as Error).message);
  }
  const good = records.map(({ info, record }): Line => {
    const told = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
    return { where: `${path}, line ${info.lines}`, number: info.lines, read: () => told };
  });
  return [...good, ...bad].sort((a, b) => a.number - b.number);
}

async function parquetLines(bytes: Buffer, path: string): Promise<Line[]> {
  const { parquetReadObjects } = await import("hyparquet");
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const rows = await parquetReadObjects({ file }).catch((error: Error) => {
    throw new InputError(`${path} cannot be read as Parquet: ${error.message}. Save it as metadata.jsonl.`);
  });
  return rows.map((row, i) => {
    const told = Object.entries(row).flatMap(([key, value]) =>
      value === null || value === undefined ? [] : [[key, plain(value)] as const],
    );
    return { where: `${path}, row ${i + 1}`, number: i + 1, read: () => Object.fromEntries(told) };
  });
}

/** Attributes are what JSON can say. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? Number(each) : each)));
}
