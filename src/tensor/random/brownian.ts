import { roundHalfEven } from "../half.ts";
import { seedSequence } from "./seed-sequence.ts";

export interface BrownianOptions {
  /** The interval on which the motion is defined, start < end; queries beyond it are cut. */
  readonly start: number;
  readonly end: number;
  readonly seed: number | bigint;
  /** Standard normal numbers that only `seed` decides, always equally many. */
  randn(seed: number): Float32Array;
}

/** A dyadic piece of the interval; `key` and `depth` say which. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly key: number;
  readonly depth: number;
  /** W(end) − W(start) */
  readonly increment: Float32Array;
  halves?: readonly [Piece, Piece];
}

/** Words in the pool of the seeds, and decimal places of the times: torchsde's for its Brownian tree. */
const POOL_SIZE = 24;
const PLACES = 6;

const { fround } = Math;

/**
 * Brownian motion W that a seed decides alone, whatever is asked of it and in which order: `motion(a, b)` is W(b) − W(a)
 * for a < b. It holds torchsde's numbers of `BrownianInterval(…, tol=1e-6, pool_size=24, halfway_tree=True)`.
 *
 * Lévy's construction on a virtual tree (Kidger et al. 2021, "Efficient and Accurate Gradients for Neural SDEs", § 4): a
 * piece's increment is known, and its left half's is normal with mean (m − s)/(e − s) · W and variance
 * (m − s)(e − m)/(e − s), from a seed that belongs to the piece. Times are rounded to 1e-6, so the tree has an end.
 */
export function brownianMotion({ start, end, seed, randn }: BrownianOptions): (a: number, b: number) => Float32Array {
  const entropy = BigInt.asUintN(64, BigInt(seed));
  const spread = fround(Math.sqrt(end - start));
  const [first] = seedSequence(entropy, [], POOL_SIZE, 1);
  const increment = randn(first!).map((z) => z * spread);
  const whole: Piece = { start: rounded(start), end: rounded(end), key: 0, depth: 0, increment };

  function halve(piece: Piece): readonly [Piece, Piece] {
    const { start: s, end: e, key, depth, increment: w } = piece;
    const m = rounded((e + s) / 2);
    const [left, inverse] = [fround(m - s), fround(1 / (e - s))];
    const deviation = fround(Math.sqrt((m - s) * (e - m) * (1 / (e - s))));
    const [pieceSeed] = seedSequence(entropy, [key, depth], POOL_SIZE, 1);
    const z = randn(pieceSeed!);
    const before = w.map((v, i) => fround(fround(left * v) * inverse) + fround(deviation * z[i]!));
    const after = w.map((v, i) => v - before[i]!);
    return [
      { start: s, end: m, key: 2 * key, depth: depth + 1, increment: before },
      { start: m, end: e, key: 2 * key + 1, depth: depth + 1, increment: after },
    ];
  }

  /** The largest pieces that make up [a, b], in order. Only the branches that lead there stay in memory. */
  function pieces(piece: Piece, a: number, b: number): Piece[] {
    if (a === piece.start && b === piece.end) return [piece];
    piece.halves ??= halve(piece);
    const [left, right] = piece.halves;
    const middle = left.end;
    if (b <= middle) right.halves = undefined;
    if (a >= middle) left.halves = undefined;
    return [
      ...(a < middle ? pieces(left, a, Math.min(b, middle)) : []),
      ...(b > middle ? pieces(right, Math.max(a, middle), b) : []),
    ];
  }

  const inside = (time: number) => rounded(Math.min(Math.max(time, whole.start), whole.end));
  return (a, b) => {
    const [from, to] = [inside(a), inside(b)];
    const sum = new Float32Array(increment.length);
    if (!(from < to)) return sum;
    for (const { increment: part } of pieces(whole, from, to)) {
      for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
    }
    return sum;
  };
}

/** To PLACES decimals of the number that `time` exactly is, as Python's `round` does it. */
function rounded(time: number): number {
  // Only odd multiples of 2⁻⁷ lie exactly between two numbers of six decimals: there halves go to the even one.
  if (Number.isInteger(time * 2 ** (PLACES + 1))) return roundHalfEven(time * 10 ** PLACES) / 10 ** PLACES;
  return Number(time.toFixed(PLACES));
}
