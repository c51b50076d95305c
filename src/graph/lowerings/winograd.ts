import { float32, int64, type Tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { add, concat, gatherAlong, matmul, pad, reshape, slice, split, transpose } from "../ops/index.ts";
import { type Dim, fixed } from "../shape.ts";
import { timesTransposed } from "./products.ts";

/** Places of a tile's side: F(2×2, 3×3) or F(4×4, 3×3) in the words of Lavin & Gray. */
export type Tile = 2 | 4;

/** Matrices as rows. */
type Matrix = readonly (readonly number[])[];

/** What a side of tiles goes through: Y = Aᵀ [(G w) ⊙ (Bᵀ x)]. */
interface Transforms {
  /** Aᵀ [m, m + 2] */
  readonly output: Matrix;
  /** G [m + 2, 3] */
  readonly weight: Matrix;
  /** Bᵀ [m + 2, m + 2] */
  readonly input: Matrix;
}

/**
 * Where the polynomials are evaluated, infinity aside. The usual 0, ±1, ±2 lose twice the digits that these lose: 3.2e-6 of
 * the result's deviation against 1.5e-6 (320 channels, root mean square; the direct sum 0.3e-6, F(2, 3) 0.5e-6). All are
 * multiples of 1/4, so Aᵀ and Bᵀ are exact.
 */
const POINTS: Readonly<Record<Tile, readonly number[]>> = { 2: [0, 1, -1], 4: [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2] };

/**
 * A 3×3 convolution with a border of one, by Winograd's minimal filtering (Lavin & Gray 2016, "Fast Algorithms for
 * Convolutional Neural Networks"): x [B, H, W, C], weight [K, C, 3, 3], bias [K] → [B, H, W, K]. Overlapping tiles of
 * (m + 2)² places become (m + 2)² planes, one matrix product each, where a direct sum takes 9 m².
 *
 * The products are nodes of their own: only so does the runtime lay their weights out ahead.
 */
export function winograd(x: Value, weight: Value, bias: Value | undefined, tile: Tile): Value {
  const g = x.graph;
  const [batch] = x.shape as [Dim];
  const [features, channels] = weight.shape as [number, number];
  const [height, width] = [fixed(x.shape, 1, "Winograd"), fixed(x.shape, 2, "Winograd")];
  const [rows, columns] = [Math.ceil(height / tile), Math.ceil(width / tile)];
  const [padded, stride] = [rows * tile + 2, columns * tile + 2];
  const side = tile + 2;
  const planes = side * side;
  const transforms = cookToom(tile, POINTS[tile]);

  const bordered = pad(x, [0, 1, 1, 0], [0, padded - height - 1, stride - width - 1, 0]);
  const places = reshape(bordered, [batch, padded * stride, channels]);
  const tiles = gatherAlong(places, 1, placesOfTiles({ side, tile, rows, columns, stride }));
  const matrix = (m: Matrix) => g.constant(asMatrix(onBothSides(m)));
  const seen = matmul(matrix(transforms.input), reshape(tiles, [batch, planes, rows * columns * channels]));
  // One product of all planes: the runtime adds up products of a single row in another order, which loses digits.
  const taps = transpose(reshape(weight, [features * channels, 9]), [1, 0]);
  const kernels = split(matmul(matrix(transforms.weight), taps), planes, 0);
  const products = split(reshape(seen, [batch, planes, rows * columns, channels]), planes, 1).map((plane, i) =>
    timesTransposed(plane, reshape(kernels[i]!, [features, channels])),
  );
  const all = reshape(concat(products, 1), [batch, planes, rows * columns * features]);
  const parts = reshape(matmul(matrix(transforms.output), all), [batch, tile, tile, rows, columns, features]);
  let y = reshape(transpose(parts, [0, 3, 1, 4, 2, 5]), [batch, rows * tile, columns * tile, features]);
  if (rows * tile > height) y = slice(y, 1, 0, height);
  if (columns * tile > width) y = slice(y, 2, 0, width);
  return bias ? add(y, bias) : y;
}

/** For each place within a tile, where the tiles have it among the places of the padded picture. */
function placesOfTiles(about: { side: number; tile: number; rows: number; columns: number; stride: number }): Tensor {
  const { side, tile, rows, columns, stride } = about;
  const places: number[] = [];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) places.push((row * tile + y) * stride + column * tile + x);
      }
    }
  }
  return int64([places.length], places);
}

/**
 * The transforms of F(m, 3) from m + 1 points and infinity (Toom 1963, Cook 1966): Bᵀ holds the Lagrange polynomials
 * through the points without their denominators, which G divides by. Rows of Bᵀ are brought to about length 1 by powers
 * of two, which lose no digit.
 */
export function cookToom(tile: number, points: readonly number[]): Transforms {
  const others = (i: number) => points.filter((_, j) => j !== i);
  const input = [...points.map((_, i) => [...polynomial(others(i)), 0]), polynomial(points)];
  const weight = [
    ...points.map((p, i) => {
      const denominator = others(i).reduce((product, q) => product * (p - q), 1);
      return [1 / denominator, p / denominator, p ** 2 / denominator];
    }),
    [0, 0, 1],
  ];
  const output = Array.from({ length: tile }, (_, power) => [
    ...points.map((p) => p ** power),
    Number(power === tile - 1),
  ]);
  const scales = input.map((row) => 2 ** Math.round(Math.log2(Math.hypot(...row))));
  return {
    output,
    weight: weight.map((row, i) => row.map((v) => v * scales[i]!)),
    input: input.map((row, i) => row.map((v) => v / scales[i]!)),
  };
}

/** The coefficients of ∏ (x − root), the lowest power first. */
function polynomial(roots: readonly number[]): number[] {
  let coefficients = [1];
  for (const root of roots) {
    const c = coefficients;
    coefficients = Array.from({ length: c.length + 1 }, (_, power) => (c[power - 1] ?? 0) - root * (c[power] ?? 0));
  }
  return coefficients;
}

/** m ⊗ m, what transforms rows and columns at once: r² rows of c². */
function onBothSides(m: Matrix): number[][] {
  return m.flatMap((a) => m.map((b) => a.flatMap((p) => b.map((q) => p * q))));
}

function asMatrix(rows: Matrix): Tensor<"float32"> {
  return float32([rows.length, rows[0]!.length], rows.flat());
}
