/**
 * Where the parity suites find their fixtures, and how they read them. The safetensors reader here shares nothing with
 * the one under test in src/weights, so that a mistake there cannot hide itself.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { byteWidth, type DType, sizeOf, type Tensor, viewBytes } from "../../src/tensor/index.ts";

/** The folder of the fixture set: INKLING_FIXTURES, or test/fixtures. */
export const root: string = process.env.INKLING_FIXTURES
  ? resolve(process.env.INKLING_FIXTURES)
  : fileURLToPath(new URL("../fixtures/", import.meta.url));
const own: string = fileURLToPath(new URL("../fixtures/", import.meta.url));

/**
 * The absolute path of a fixture, given its parts below the root: `path("checkpoints", "tiny-sd15")`. A group that the
 * set does not have (bad files and published key tables are the same in every set) comes from test/fixtures.
 */
export function path(...parts: string[]): string {
  const [group = ""] = parts;
  return resolve(existsSync(resolve(root, group)) ? root : own, ...parts);
}

export function exists(...parts: string[]): boolean {
  return existsSync(path(...parts));
}

/** Names in a folder, sorted. */
export function list(...parts: string[]): string[] {
  return readdirSync(path(...parts)).sort();
}

export function readText(...parts: string[]): string {
  return readFileSync(path(...parts), "utf8");
}

/** A JSON file, taken to have the shape that its reader says. */
export function readJson<T>(...parts: string[]): T {
  return JSON.parse(readText(...parts)) as T;
}

const DTYPES: Record<string, DType> = {
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

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Every tensor of a safetensors fixture by name, in the header's order. */
export function readTensors(...parts: string[]): Map<string, Tensor> {
  const file = path(...parts);
  const bytes = readFileSync(file);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength)) as Record<string, Entry>;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype: code, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const dtype = DTYPES[code];
    if (!dtype) throw new Error(`${file}: ${name} has the unknown type ${code}.`);
    const [start, end] = data_offsets.map((offset) => 8 + headerLength + offset) as [number, number];
    if (end - start !== sizeOf(shape) * byteWidth(dtype) || end > bytes.length) {
      throw new Error(`${file}: the bytes of ${name} do not fit its shape [${shape}] of ${dtype}.`);
    }
    tensors.set(name, { dtype, shape, data: viewBytes(dtype, bytes.subarray(start, end)) });
  }
  return tensors;
}

/** The tensor `name`, or an error that names what is there. */
export function need(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (!found) throw new Error(`No tensor ${name} among ${[...tensors.keys()].slice(0, 20).join(", ")} …`);
  return found;
}
