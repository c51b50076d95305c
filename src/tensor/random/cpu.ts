import { type ArrayOf, allocate } from "../dtype.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../half.ts";
import { Mt19937, type MtState } from "./mt19937.ts";
import { castFloat32, countOf, type FloatDType, type NoiseSource, type Shape, seedBits } from "./noise-source.ts";

/** Box–Muller runs over blocks of this many uniforms: the first half gives radii, the second half angles. */
const BLOCK = 16;
/** Ranges from here on take 64 bits a number, so that the modulo's skew stays small. */
const WIDE_RANGE = 2 ** 28;

/** Where a generator stands: what it takes to go on from there. */
export interface CpuGeneratorState extends MtState {
  /** A normal number that was drawn already. */
  readonly spare?: number;
}

/**
 * torch's CPU generator: the numbers `torch.Generator("cpu").manual_seed(seed)` gives, in every order of calls.
 * Only the low 32 bits of the seed count. Integers and uniforms agree exactly; normals up to the last places of log,
 * cos and sin.
 */
export class CpuGenerator implements NoiseSource {
  readonly #engine: Mt19937;
  /** The second normal of a pair drawn by the scalar path, waiting for the next draw of fewer than 16. */
  #spare: number | undefined;

  constructor(seed: number | bigint) {
    this.#engine = new Mt19937(Number(seedBits(seed) & 0xffffffffn));
  }

  /** Where it stands. A generator of any seed that is given this state draws the same numbers from there on. */
  get state(): CpuGeneratorState {
    return { ...this.#engine.state, ...(this.#spare !== undefined && { spare: this.#spare }) };
  }

  set state({ spare, ...engine }: CpuGeneratorState) {
    this.#engine.state = engine;
    this.#spare = spare;
  }

  /** A raw output of the engine: an integer in [0, 2³²). */
  random(): number {
    return this.#engine.next();
  }

  /** Two raw outputs, the first one the high half: an integer in [0, 2⁶⁴). */
  random64(): bigint {
    const high = BigInt(this.random());
    return (high << 32n) | BigInt(this.random());
  }

  /** Uniform numbers in [0, 1), multiples of 2⁻⁵³ in float64, 2⁻²⁴ in float32, 2⁻¹¹ in float16, 2⁻⁸ in bfloat16. */
  rand(shape: Shape): Float32Array;
  rand<D extends FloatDType>(shape: Shape, dtype: D): ArrayOf<D>;
  rand(shape: Shape, dtype: FloatDType = "float32"): ArrayOf<FloatDType> {
    return this.#fill(countOf(shape), dtype, (out) => out.map(() => this.#uniform(dtype)));
  }

  /**
   * Standard normal numbers. Fewer than 16 are drawn one by one in float64 and rounded, more in blocks whose every step
   * is in the precision of `dtype`. (torch 2.12 draws the 16-bit types in float32 instead; these are 2.11's numbers.)
   */
  randn(shape: Shape): Float32Array;
  randn<D extends FloatDType>(shape: Shape, dtype: D): ArrayOf<D>;
  randn(shape: Shape, dtype: FloatDType = "float32"): ArrayOf<FloatDType> {
    return this.#fill(countOf(shape), dtype, (out) =>
      out.length < BLOCK
        ? out.map(() => this.#normal())
        : fillBlocks(out, () => this.#uniform(dtype), ARITHMETIC[dtype]),
    );
  }

  /** Integers in [low, high), both safe integers, as `torch.randint` draws them. */
  randint(low: number, high: number, shape: Shape): number[] {
    const range = high - low;
    if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && Number.isSafeInteger(range) && range > 0)) {
      throw new RangeError(
        `randint draws from [low, high) with low < high, both safe integers: got [${low}, ${high}).`,
      );
    }
    const wide = BigInt(range);
    const draw = range < WIDE_RANGE ? () => this.random() % range : () => Number(this.random64() % wide);
    return Array.from({ length: countOf(shape) }, () => low + draw());
  }

  /** A permutation of 0 … n − 1, by Fisher and Yates's shuffle from the front as `torch.randperm` does it. */
  randperm(n: number): number[] {
    const order = Array.from({ length: countOf(n) }, (_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const j = i + (this.random() % (n - i));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /** Exponential numbers of rate 1 in float32, as `tensor.exponential_()` draws them: by inversion, one 53-bit uniform each. */
  exponential(shape: Shape): Float32Array {
    const out = new Float32Array(countOf(shape));
    for (let i = 0; i < out.length; i++) out[i] = -Math.log1p(-this.#uniform53());
    return out;
  }

  /**
   * `count` different indices, more probable ones more often, as `torch.multinomial` draws them from one row: those of
   * the largest p / e, an exponential e for every entry (Efraimidis & Spirakis 2006). `probabilities` need not sum to 1.
   *
   * @throws RangeError where fewer than `count` entries are positive
   */
  multinomial(probabilities: Float32Array, count = 1): number[] {
    if (count === 1) return [this.#multinomialOne(probabilities)];
    const ratios = new Float32Array(probabilities.length);
    let positive = 0;
    for (let i = 0; i < ratios.length; i++) {
      const uniform = this.#uniform53();
      const p = probabilities[i]!;
      // What cannot be drawn takes its number all the same, but the logarithm is spared: often most of a vocabulary.
      if (!(p > 0)) continue;
      positive++;
      ratios[i] = p / Math.fround(-Math.log1p(-uniform));
    }
    if (positive < count) throw tooFew(count, positive);
    return Array.from({ length: count }, () => {
      let best = 0;
      for (let i = 1; i < ratios.length; i++) if (ratios[i]! > ratios[best]!) best = i;
      ratios[best] = -1;
      return best;
    });
  }

  /** The one with the largest ratio. Since e ≥ u, whatever p / u does not reach the best so far cannot be it: few logarithms. */
  #multinomialOne(probabilities: Float32Array): number {
    let best = -1;
    let largest = 0;
    // A little below the best ratio: the roundings to float32 on both sides.
    let hurdle = 0;
    for (let i = 0; i < probabilities.length; i++) {
      const uniform = this.#uniform53();
      const p = probabilities[i]!;
      if (!(p > 0) || p < hurdle * uniform) continue;
      const ratio = Math.fround(p / Math.fround(-Math.log1p(-uniform)));
      if (best >= 0 && ratio <= largest) continue;
      best = i;
      largest = ratio;
      hurdle = ratio * (1 - 2 ** -20);
    }
    if (best < 0) throw tooFew(1, 0);
    return best;
  }

  /** `count` indices that may repeat, as `torch.multinomial(…, replacement=True)` draws them from one row. */
  multinomialWithReplacement(probabilities: Float32Array, count: number): number[] {
    const cumulative = Float32Array.from(probabilities);
    for (let i = 1; i < cumulative.length; i++) cumulative[i]! += cumulative[i - 1]!;
    const total = cumulative.at(-1)!;
    if (!(total > 0)) throw new RangeError("No entry has a probability above 0.");
    for (let i = 0; i < cumulative.length; i++) cumulative[i]! /= total;
    cumulative[cumulative.length - 1] = 1;
    return Array.from({ length: count }, () => {
      const uniform = this.#uniform("float64");
      return cumulative.findIndex((sum) => sum >= uniform);
    });
  }

  /** Draws `n` numbers into float64, or into float32 cast to `dtype` at the end. */
  #fill(n: number, dtype: FloatDType, draw: (out: Floats) => Floats): ArrayOf<FloatDType> {
    if (dtype === "float64") return draw(allocate("float64", n)) as Float64Array;
    return castFloat32(draw(allocate("float32", n)) as Float32Array, dtype);
  }

  /** As many low bits of one output (two for float64) as the type's significand has, as a fraction of 1. */
  #uniform(dtype: FloatDType): number {
    if (dtype !== "float64") return (this.random() % ARITHMETIC[dtype].steps) / ARITHMETIC[dtype].steps;
    return this.#uniform53();
  }

  /** Uniform in [0, 1), a multiple of 2⁻⁵³. */
  #uniform53(): number {
    const high = this.#engine.next() & (2 ** 21 - 1);
    return (high * 2 ** 32 + this.#engine.next()) * 2 ** -53;
  }

  /** Box–Muller one pair at a time, the second of which is kept for the next call. */
  #normal(): number {
    const spare = this.#spare;
    if (spare !== undefined) {
      this.#spare = undefined;
      return spare;
    }
    const theta = 2 * Math.PI * this.#uniform("float64");
    const radius = Math.sqrt(-2 * Math.log1p(-this.#uniform("float64")));
    this.#spare = radius * Math.sin(theta);
    return radius * Math.cos(theta);
  }
}

function tooFew(count: number, positive: number): RangeError {
  return new RangeError(`Cannot draw ${count} of ${positive} entries with a probability above 0.`);
}

/** How a type counts and rounds. */
interface Arithmetic {
  /** How many equal steps its uniform numbers cut [0, 1) into: 2 to the bits of its significand. */
  steps: number;
  round(x: number): number;
  twoPi: number;
}

const ARITHMETIC: Record<FloatDType, Arithmetic> = {
  float64: { steps: 2 ** 53, round: (x) => x, twoPi: 2 * Math.PI },
  float32: { steps: 2 ** 24, round: Math.fround, twoPi: Math.fround(2 * Math.PI) },
  float16: { steps: 2 ** 11, round: (x) => float16ToFloat32(float32ToFloat16([x]))[0]!, twoPi: 2 * Math.PI },
  bfloat16: { steps: 2 ** 8, round: (x) => bfloat16ToFloat32(float32ToBfloat16([x]))[0]!, twoPi: 2 * Math.PI },
};

type Floats = Float32Array | Float64Array;

/**
 * Fills `out` (at least 16 long) with uniforms and turns them into normals block by block. A length that is not a
 * multiple of 16 ends in a block of fresh uniforms over the last 16 places, overwriting what stood there.
 */
function fillBlocks(out: Floats, uniform: () => number, arithmetic: Arithmetic): Floats {
  const n = out.length;
  for (let i = 0; i < n; i++) out[i] = uniform();
  for (let i = 0; i + BLOCK <= n; i += BLOCK) boxMuller(out, i, arithmetic);
  if (n % BLOCK !== 0) {
    for (let i = n - BLOCK; i < n; i++) out[i] = uniform();
    boxMuller(out, n - BLOCK, arithmetic);
  }
  return out;
}

/**
 * Box & Muller 1958 on 16 uniforms in place; places j and j + 8 make a pair. Every step is rounded as the type rounds,
 * because an angle rounded differently already moves a normal by more than its last place.
 */
function boxMuller(data: Floats, start: number, { round, twoPi }: Arithmetic): void {
  const half = BLOCK / 2;
  for (let j = start; j < start + half; j++) {
    const radius = round(Math.sqrt(round(-2 * round(Math.log(round(1 - data[j]!))))));
    const theta = round(twoPi * data[j + half]!);
    data[j] = radius * round(Math.cos(theta));
    data[j + half] = radius * round(Math.sin(theta));
  }
}
