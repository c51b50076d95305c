import { byteWidth, type DType, InputError } from "../tensor/index.ts";
import { isObject, parseJson } from "./json.ts";

/**
 * The safetensors format: eight bytes (little-endian) with the length N of the header, N bytes of JSON
 * `{"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, …, "__metadata__": {"key": "text"}}`, then the
 * data, which the tensors cover without overlap or hole. This file knows the bytes; files.ts reads them from a disk.
 */

/** Where the length field ends. */
export const PREFIX = 8;
/** The reference library's limit. */
export const MAX_HEADER = 100_000_000;

const DTYPES: Readonly<Record<string, DType>> = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U64: "uint64",
  U32: "uint32",
  U16: "uint16",
  U8: "uint8",
  BOOL: "bool",
};

/** safetensors' word for a dtype. */
export const dtypeNames = Object.fromEntries(Object.entries(DTYPES).map(([word, dtype]) => [dtype, word])) as Readonly<
  Record<DType, string>
>;

/** A tensor's place, counted from the start of the file. */
export interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface Header {
  readonly tensors: ReadonlyMap<string, Entry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The header's length from the first bytes of a file (sixteen or more of them are enough to name what else it may be).
 *
 * @param size bytes of the whole file: nothing is believed that does not fit into it
 * @throws InputError naming the file, saying what it is instead of safetensors
 */
export function headerLength(start: Uint8Array, size: number, file: string): number {
  if (size === 0) throw new InputError(`${file} is empty. Get it again.`);
  const length =
    start.length < PREFIX ? undefined : new DataView(start.buffer, start.byteOffset, PREFIX).getBigUint64(0, true);
  const brace = start[PREFIX] === 0x7b;
  if (length === undefined || length > BigInt(size - PREFIX) || (length > 0n && !brace)) {
    const other = recognise(start);
    if (other) throw new InputError(`${file} ${other}`);
  }
  if (length === undefined) {
    throw new InputError(`${file} has only ${size} bytes and is no safetensors file. Get it again.`);
  }
  if (length === 0n) throw new InputError(`${file} has a header of no bytes. ${DAMAGED}`);
  if (length > BigInt(MAX_HEADER)) {
    throw new InputError(
      `${file} is no safetensors file, or damaged: it claims a header of ${length} bytes, and the most is ${MAX_HEADER}. Get it again.`,
    );
  }
  if (length > BigInt(size - PREFIX)) {
    throw new InputError(
      `${file} is cut short: its header should have ${length} bytes, but the file ends after ${size - PREFIX} of them. ` +
        "Was a download interrupted? Get it again.",
    );
  }
  if (!brace) {
    throw new InputError(
      `${file} is no safetensors file, or damaged: its header does not begin with "{". Get it again.`,
    );
  }
  return Number(length);
}

const DAMAGED = "The file is damaged: get it again.";

const PICKLE =
  "is a pickled checkpoint (.ckpt, .pt, .bin). Opening a pickle can run any program hidden in it, so it is never " +
  "opened here. Take the .safetensors file of the same model, or convert it to .safetensors where you trust it.";

/** What people save under a name that ends in .safetensors, told by its first bytes (read as Latin-1). */
const OTHER_FORMATS: readonly (readonly [looks: (text: string) => boolean, what: string])[] = [
  // Protocols 2–5, followed by an opcode; a header of 640 bytes would begin with \x80\x02\x00.
  [(text) => text[0] === "\x80" && "\x02\x03\x04\x05".includes(text[1] ?? "?") && text[2] !== "\0", PICKLE],
  [(text) => text.startsWith("PK") && text[2] === "\x03", PICKLE],
  [
    (text) => text.startsWith("version https://git-lfs"),
    'is a Git LFS pointer, not the weights themselves. Run "git lfs pull" in its repository.',
  ],
  [
    (text) => /^\s*<(!doctype|html|\?xml)/i.test(text),
    "looks like a web page (an error page saved as weights?), not weights. Get the file again.",
  ],
  [
    (text) => text.startsWith("GGUF"),
    "is a GGUF file. Only .safetensors weights can be read: get or convert to those.",
  ],
  [
    (text) => text.startsWith("\x89HDF"),
    "is an HDF5 file (TensorFlow's). Only .safetensors weights can be read: get or convert to those.",
  ],
];

function recognise(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start.subarray(0, 64));
  return OTHER_FORMATS.find(([looks]) => looks(text))?.[1];
}

/**
 * Reads and checks a whole header, so that whoever binds the tensors may trust every number in it.
 *
 * @param bytes the header's JSON, without the length field
 * @param size bytes of the whole file
 * @throws InputError naming the file, the tensor, and what disagrees
 */
export function parseHeader(bytes: Uint8Array, size: number, file: string): Header {
  const json = parseJson(bytes, `The header of ${file}`, { uniqueKeys: true });
  const dataStart = PREFIX + bytes.length;
  const tensors = new Map<string, Entry>();
  const metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(json)) {
    if (name !== "__metadata__") tensors.set(name, parseEntry(value, dataStart, `${file}: tensor ${quote(name)}`));
    else if (isObject(value)) {
      for (const [key, text] of Object.entries(value)) if (typeof text === "string") metadata.set(key, text);
    }
  }
  checkCoverage(tensors, dataStart, size, file);
  return { tensors, metadata };
}

function parseEntry(value: unknown, dataStart: number, where: string): Entry {
  if (!isObject(value)) throw new InputError(`${where} is not described by an object. ${DAMAGED}`);
  const { dtype: word, shape, data_offsets: offsets } = value;
  if (typeof word !== "string") throw new InputError(`${where} has no dtype. ${DAMAGED}`);
  const dtype = Object.hasOwn(DTYPES, word) ? DTYPES[word]! : undefined;
  if (!dtype) {
    throw new InputError(
      `${where} has the type ${quote(word)}, which is not supported (${Object.keys(DTYPES).join(", ")} are). ` +
        "Get the model in F16 or F32.",
    );
  }
  if (!isCounts(shape)) {
    throw new InputError(`${where} has the shape ${show(shape)}, which is no list of sizes. ${DAMAGED}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw new InputError(`${where} has the offsets ${show(offsets)}, which are no place in a file. ${DAMAGED}`);
  }
  let length = byteWidth(dtype);
  for (const dim of shape) {
    length *= dim;
    if (!Number.isSafeInteger(length)) {
      throw new InputError(`${where} has the shape [${shape}], which is larger than any file. ${DAMAGED}`);
    }
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw new InputError(`${where} ends (${end}) before it begins (${begin}). ${DAMAGED}`);
  if (end - begin !== length) {
    throw new InputError(
      `${where} has ${end - begin} bytes, but ${dtype} of shape [${shape}] takes ${length}. ${DAMAGED}`,
    );
  }
  return { dtype, shape, offset: dataStart + begin, length };
}

/** The tensors, in order of their offsets, cover the data exactly, as the reference library demands. */
function checkCoverage(tensors: ReadonlyMap<string, Entry>, dataStart: number, size: number, file: string): void {
  const order = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  const end = order.reduce((last, [, { offset, length }]) => Math.max(last, offset + length), dataStart);
  let [reached, before] = [dataStart, "the header"];
  for (const [name, { offset, length }] of order) {
    if (offset !== reached) {
      const what =
        offset < reached ? "share bytes" : `leave ${offset - reached} bytes between them that belong to none`;
      throw new InputError(`${file}: ${before} and tensor ${quote(name)} ${what}. ${DAMAGED}`);
    }
    [reached, before] = [offset + length, `tensor ${quote(name)}`];
  }
  if (end > size) {
    throw new InputError(
      `${file} is cut short: its tensors need ${end} bytes, but it has ${size}. Was a download interrupted? Get it again.`,
    );
  }
  if (end < size) {
    throw new InputError(`${file} has ${size - end} bytes after its last tensor that belong to none. ${DAMAGED}`);
  }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** A name from a file, cut to what a message can bear. */
function quote(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "(none)";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
