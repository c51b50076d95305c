import { open } from "node:fs/promises";
import { byteWidth, type DType, type StoredTensor, viewBytes } from "../tensor/index.ts";
import { FLOATS } from "./check.ts";
import type { WeightStore } from "./store.ts";

/** The first of a checkpoint's tensors that is not finite. */
export interface NonFinite {
  readonly name: string;
  readonly value: "NaN" | "infinity";
}

/** Bytes looked at in one go. */
const CHUNK = 1 << 24;

/**
 * The first tensor that holds a NaN or an infinity: to name the culprit when a model's output is not finite. Reads the
 * files once, as a stream.
 */
export async function findNonFinite(
  weights: WeightStore,
  names: Iterable<string> = weights.names(),
): Promise<NonFinite | undefined> {
  for (const name of names) {
    const stored = weights.get(name);
    const value = stored && (await nonFinite(stored));
    if (value) return { name, value };
  }
  return undefined;
}

/** The bits of the exponent in the types that are carried as bits: all ones in what is not finite. */
const EXPONENTS: Partial<Record<DType, number>> = { float16: 0x7c00, bfloat16: 0x7f80 };

async function nonFinite({ dtype, file, offset, length }: StoredTensor): Promise<NonFinite["value"] | undefined> {
  if (!FLOATS.includes(dtype)) return undefined;
  const exponent = EXPONENTS[dtype];
  const bytes = new Uint8Array(Math.min(CHUNK, length));
  const values = viewBytes(dtype, bytes) as ArrayLike<number>;
  const handle = await open(file, "r");
  try {
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(bytes, 0, Math.min(bytes.length, length - done), offset + done);
      const count = Math.floor(bytesRead / byteWidth(dtype));
      if (count === 0) return undefined;
      for (let i = 0; i < count; i++) {
        const value = values[i]!;
        if (exponent === undefined ? Number.isFinite(value) : (value & exponent) !== exponent) continue;
        const infinite = exponent === undefined ? !Number.isNaN(value) : (value & 0x7fff) === exponent;
        return infinite ? "infinity" : "NaN";
      }
      done += count * byteWidth(dtype);
    }
    return undefined;
  } finally {
    await handle.close();
  }
}
