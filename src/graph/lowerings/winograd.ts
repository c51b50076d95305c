import { float32, type Tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { add, concat, gatherAlong, matmul, pad, reshape, slice, transpose } from "../ops/index.ts";
import { type Dim, fixed, times } from "../shape.ts";
import { placesByTap, placesFirst } from "./places.ts";
import { timesTransposed } from "./products.ts";

/** Places of a tile's side: F(2×2, 3×3) or F(4×4, 3×3) in the words of Lavin & Gray. */
export type Tile = 2 | 4;

/** Matrices as rows. */
export type Matrix = readonly (readonly number[])[];

/** What a side of tiles goes through: Y = Aᵀ [(G w) ⊙ (Bᵀ x)]. */
export interface Transforms {
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
 * Bytes that the planes of a large picture may take at once: they are not all there together, and what is, stays in the
 * processor's cache. 8 to 64 MiB were as fast as all together or faster, on 64² to 256² places of 128 to 512 channels.
 */
const BAND = 2 ** 24;
/** Fewer tiles at once would not be worth laying out the weights for them. */
const TILES_IN_BAND = 256;

/**
 * A 3×3 convolution with a border of one, by Winograd's minimal filtering (Lavin & Gray 2016, "Fast Algorithms for
 * Convolutional Neural Networks"): x [B, H, W, C], weight [K, C, 3, 3], bias [K] → [B, H, W, K]. Overlapping tiles of
 * (m + 2)² places become (m + 2)² planes, one matrix product each, where a direct sum takes 9 m². A large picture goes
 * through band by band.
 */
export function winograd(x: Value, weight: Value, bias: Value | undefined, tile: Tile): Value {
  const [batch] = x.shape as [Dim];
  const [features, channels] = weight.shape as [number, number];
  const tiling = tilingOf(x, tile);
  const { planes, rows, columns, area, stride } = tiling;
  const places = placesFirst(reshape(bordered(x, tiling), [batch, area, channels]));
  const tilesInBand = Math.max(TILES_IN_BAND, BAND / (4 * planes * Math.max(channels, features)));
  const bands = Math.ceil(rows / Math.ceil(tilesInBand / columns));
  const transforms = transformsOf(tile);
  const through = {
    input: bothSides(x, transforms.input),
    weights: transformedWeight(weight, transforms.weight),
    output: bothSides(x, transforms.output),
  };
  const results = Array.from({ length: bands }, (_, i) => {
    const [from, to] = [i, i + 1].map((edge) => Math.round((edge * rows) / bands)) as [number, number];
    const y = tilesThrough(places, { tile, from, to, columns, stride }, through);
    return bias ? add(y, bias) : y;
  });
  return cropped(bands === 1 ? results[0]! : concat(results, 1), tiling);
}

/** How the tiles of a picture [B, H, W, C] lie. */
export interface Tiling {
  readonly tile: Tile;
  /** Places of a tile with its border: as many products. */
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  /** Of tiles. */
  readonly rows: number;
  readonly columns: number;
  /** Places of the bordered picture, and those of one of its rows. */
  readonly area: number;
  readonly stride: number;
}

export function tilingOf({ shape }: Value, tile: Tile): Tiling {
  const [height, width] = [fixed(shape, 1, "Winograd"), fixed(shape, 2, "Winograd")];
  const [rows, columns] = [Math.ceil(height / tile), Math.ceil(width / tile)];
  const stride = columns * tile + 2;
  return { tile, planes: (tile + 2) ** 2, height, width, rows, columns, area: (rows * tile + 2) * stride, stride };
}

/** With a border of one, and up to whole tiles. */
export function bordered(x: Value, { height, width, area, stride }: Tiling): Value {
  return pad(x, [0, 1, 1, 0], [0, area / stride - height - 1, stride - width - 1, 0]);
}

/** Without what whole tiles have beyond the picture. */
export function cropped(y: Value, { tile, height, width, rows, columns }: Tiling): Value {
  const high = rows * tile > height ? slice(y, 1, 0, height) : y;
  return columns * tile > width ? slice(high, 2, 0, width) : high;
}

/**
 * G w Gᵀ: [K, C, 3, 3] → [planes, K, C]. One product of all planes: the runtime adds up products of a single row in another
 * order, which loses digits.
 */
export function transformedWeight(weight: Value, transform: Matrix): Value {
  const [features, channels] = weight.shape as [number, number];
  const product = timesTransposed(bothSides(weight, transform), reshape(weight, [features * channels, 9]));
  return reshape(product, [transform.length ** 2, features, channels]);
}

/** Which tiles: rows `from` up to `to` of them, in a padded picture of `stride` places a row. */
interface Tiles {
  readonly tile: Tile;
  readonly from: number;
  readonly to: number;
  readonly columns: number;
  readonly stride: number;
}

/** What all bands go through. */
interface Through {
  /** B ⊗ B [planes, planes] */
  readonly input: Value;
  /** [planes, K, C] */
  readonly weights: Value;
  /** A ⊗ A [m², planes] */
  readonly output: Value;
}

/** Places of the padded picture [P, B, C] → the rows of the result that the tiles give, [B, (to − from) m, columns m, K]. */
function tilesThrough(places: Value, tiles: Tiles, { input, weights, output }: Through): Value {
  const { tile, columns } = tiles;
  const rows = tiles.to - tiles.from;
  const [planes, features, channels] = weights.shape as [number, number, number];
  const [, batch] = places.shape as [number, Dim];
  const inAll = times(batch, rows * columns);
  const gathered = reshape(gatherAlong(places, 0, placesOfTiles(tiles)), [planes, times(inAll, channels)]);
  const products = timesTransposed(weights, reshape(matmul(input, gathered), [planes, inAll, channels]));
  const parts = matmul(output, reshape(products, [planes, times(inAll, features)]));
  const turned = transpose(reshape(parts, [tile * tile, features, inAll]), [0, 2, 1]);
  const inTiles = reshape(turned, [tile, tile, rows, columns, batch, features]);
  return reshape(transpose(inTiles, [4, 2, 0, 3, 1, 5]), [batch, rows * tile, columns * tile, features]);
}

/** For each place within a tile, where the tiles have it among the places of the padded picture. */
export function placesOfTiles({ tile, from, to, columns, stride }: Tiles): Tensor {
  return placesByTap({
    kernel: [tile + 2, tile + 2],
    strides: [tile, tile],
    wide: stride,
    columns,
    first: from,
    end: to,
  });
}

export const transformsOf = (tile: Tile): Transforms => cookToom(tile, POINTS[tile]);

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

/** m ⊗ m as a constant: what transforms rows and columns at once, r² rows of c². */
export function bothSides({ graph }: Value, m: Matrix): Value {
  const rows = m.flatMap((a) => m.map((b) => a.flatMap((p) => b.map((q) => p * q))));
  return graph.constant(float32([rows.length, rows[0]!.length], rows.flat()));
}
