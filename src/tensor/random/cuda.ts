import type { ArrayOf } from "../dtype.ts";
import { castFloat32, countOf, type FloatDType, type NoiseSource, type Shape, seedBits } from "./noise-source.ts";
import { philox4x32 } from "./philox.ts";

/** What the size of torch's grid of threads, and with it the order of the numbers, depends on. */
export interface CudaDevice {
  multiprocessors: number;
  threadsPerMultiprocessor: number;
}

const H100: CudaDevice = { multiprocessors: 132, threadsPerMultiprocessor: 2048 };
const THREADS_PER_BLOCK = 256;
/** A thread takes four normals from each counter. */
const PER_CALL = 4;

/**
 * torch's CUDA generator: the numbers `torch.Generator("cuda").manual_seed(seed)` gives `randn` on an H100 (or, up to
 * the size where its grid is full, on any device). Every thread runs Philox on its own subsequence; the generator
 * keeps the offset that all subsequences have reached. float32 and the 16-bit types; float64 takes another path there.
 */
export class CudaGenerator implements NoiseSource {
  readonly #key: [number, number];
  readonly #maxBlocks: number;
  /** In counters (torch counts single numbers, four to a counter). */
  #offset = 0;

  constructor(seed: number | bigint, device: CudaDevice = H100) {
    const bits = seedBits(seed);
    this.#key = [Number(bits & 0xffffffffn), Number(bits >> 32n)];
    this.#maxBlocks = device.multiprocessors * Math.floor(device.threadsPerMultiprocessor / THREADS_PER_BLOCK);
  }

  randn(shape: Shape): Float32Array;
  randn<D extends Exclude<FloatDType, "float64">>(shape: Shape, dtype: D): ArrayOf<D>;
  randn(shape: Shape, dtype: Exclude<FloatDType, "float64"> = "float32"): ArrayOf<FloatDType> {
    const n = countOf(shape);
    const out = new Float32Array(n);
    const threads = Math.min(this.#maxBlocks, Math.ceil(n / THREADS_PER_BLOCK)) * THREADS_PER_BLOCK;
    const words = new Uint32Array(PER_CALL);
    const normals = new Float32Array(PER_CALL);
    // One pass of the grid writes 4 · threads numbers; a thread's four lie `threads` apart.
    for (let start = 0; start < n; start += PER_CALL * threads, this.#offset++) {
      const low = this.#offset >>> 0;
      const high = Math.floor(this.#offset / 2 ** 32);
      for (let thread = 0; thread < threads && start + thread < n; thread++) {
        philox4x32([low, high, thread, 0], this.#key, words);
        boxMuller(words[0]!, words[1]!, normals, 0);
        boxMuller(words[2]!, words[3]!, normals, 2);
        for (let i = 0; i < PER_CALL; i++) {
          const at = start + thread + i * threads;
          if (at < n) out[at] = normals[i]!;
        }
      }
    }
    return castFloat32(out, dtype);
  }
}

const TWO_PI_OVER_2_32 = Math.fround((2 * Math.PI) / 2 ** 32);
const ONE_OVER_TWO_PI = Math.fround(1 / (2 * Math.PI));

/** cuRAND's Box–Muller: two words to two normals, sine first, in float32. */
function boxMuller(x: number, y: number, out: Float32Array, at: number): void {
  const u = Math.fround(Math.fround(x) * 2 ** -32 + 2 ** -33);
  const v = Math.fround(Math.fround(y) * TWO_PI_OVER_2_32 + TWO_PI_OVER_2_32 / 2);
  const radius = Math.fround(Math.sqrt(Math.fround(-2 * Math.fround(Math.log(u)))));
  const turns = fixedTurns(v);
  out[at] = radius * fastSin(turns);
  out[at + 1] = radius * fastSin(turns + QUARTER);
}

/** A quarter of a turn in the fixed-point angles of the hardware's sine, which have 25 bits to a turn. */
const QUARTER = 2 ** 23;

/**
 * The angle as the hardware's fast sine and cosine see it: v / 2π, rounded towards zero to float32 and cut to 25 bits.
 * Exact angles would miss the device's normals by up to 2e-6.
 */
function fixedTurns(v: number): number {
  const turns = Math.floor(v * ONE_OVER_TWO_PI * 4 * QUARTER);
  // From half a turn on, a float32 has only 24 bits after the point.
  return turns < 2 * QUARTER ? turns : turns & ~1;
}

/** The sine of a fixed-point angle. Falling quadrants mirror it by flipping bits, one unit short of the exact mirror. */
function fastSin(turns: number): number {
  const quadrant = Math.floor(turns / QUARTER);
  const rest = turns % QUARTER;
  const sine = Math.fround(Math.sin(((quadrant & 1 ? QUARTER - 1 - rest : rest) / QUARTER) * (Math.PI / 2)));
  return quadrant & 2 ? -sine : sine;
}
