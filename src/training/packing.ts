import type { Graph } from "../graph/index.ts";
import { sizeOf } from "../tensor/index.ts";

/** Where a parameter lies among all. */
export interface PackedParameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Which chunk, and where in it. */
  readonly chunk: number;
  readonly offset: number;
}

/**
 * All parameters one after another in a few long vectors: an optimizer's dozen operations run once a chunk instead of once
 * a parameter, and only one chunk at a time is there twice while it changes.
 */
export interface Packing {
  readonly parameters: readonly PackedParameter[];
  /** The lengths of the chunks. */
  readonly chunks: readonly number[];
}

/** 4 MiB of float32: what an optimizer's operations hand on of a chunk stays in the processor's cache. */
const CHUNK = 1 << 20;

/** The parameters of a graph in its own order; none is cut, so a chunk may be longer than `chunk`. */
export function packingOf({ parameters }: Pick<Graph, "parameters">, chunk = CHUNK): Packing {
  const packed: PackedParameter[] = [];
  const chunks: number[] = [];
  for (const [name, { shape }] of parameters) {
    const dims = shape as readonly number[];
    const size = sizeOf(dims);
    if (chunks.length === 0 || chunks.at(-1)! + size > chunk) chunks.push(0);
    packed.push({ name, shape: dims, chunk: chunks.length - 1, offset: chunks.at(-1)! });
    chunks[chunks.length - 1]! += size;
  }
  return { parameters: packed, chunks };
}

/** The values of every parameter, by its name, as chunks. */
export function pack(packing: Packing, valuesOf: (name: string) => Float32Array): Float32Array[] {
  return packing.chunks.map((_, k) => packChunk(packing, k, valuesOf));
}

/** One of them. */
export function packChunk(
  { parameters, chunks }: Packing,
  k: number,
  valuesOf: (name: string) => Float32Array,
): Float32Array {
  const packed = new Float32Array(chunks[k]!);
  for (const { name, shape, chunk, offset } of parameters) {
    if (chunk !== k) continue;
    const values = valuesOf(name);
    if (values.length !== sizeOf(shape)) throw new RangeError(`"${name}" has ${values.length} values, not [${shape}].`);
    packed.set(values, offset);
  }
  return packed;
}

/** The counterpart of {@link pack}: views into the chunks. */
export function unpack({ parameters }: Packing, packed: readonly Float32Array[]): Map<string, Float32Array> {
  return new Map(
    parameters.map(({ name, shape, chunk, offset }) => [name, packed[chunk]!.subarray(offset, offset + sizeOf(shape))]),
  );
}
