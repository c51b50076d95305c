import { int64, type Tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { add, convAttributes, gatherAlong, matmul, pad, reshape, slice, transpose } from "../ops/index.ts";
import { fusedProduct } from "./products.ts";
import { bothSides, placesOfTiles, type Tile, transformsOf } from "./winograd.ts";

/**
 * 3×3 convolutions with a border of one and their gradients by Winograd's minimal filtering, for pictures [B, H, W, C] of a
 * known number and weights [K, C, 3, 3] that are other ones in each run: the same sums as in winograd.ts, with the tiles
 * of all pictures in one row, so that each plane is one product even where a picture has few tiles.
 *
 * With U = G w Gᵀ, V = Bᵀ x B of each tile and Y = A (U ⊙ V) Aᵀ of each tile, the gradient of w is Gᵀ [Σ (A g Aᵀ) ⊙ V] G over
 * the tiles, and that of x the convolution of g with the weight turned around (Lavin & Gray 2016, §4).
 */

/** How the tiles of pictures lie. */
interface Tiling {
  readonly tile: Tile;
  readonly planes: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly rows: number;
  readonly columns: number;
}

function tilingOf(x: Value, tile: Tile): Tiling {
  const [batch, height, width] = x.shape as number[] as [number, number, number];
  const planes = (tile + 2) ** 2;
  return { tile, planes, batch, height, width, rows: Math.ceil(height / tile), columns: Math.ceil(width / tile) };
}

/** V: x [B, H, W, C] → [planes, B · T, C]. */
export function planesOf(x: Value, tile: Tile): Value {
  const { planes, batch, height, width, rows, columns } = tilingOf(x, tile);
  const channels = x.shape[3] as number;
  const [padded, stride] = [rows * tile + 2, columns * tile + 2];
  const bordered = pad(x, [0, 1, 1, 0], [0, padded - height - 1, stride - width - 1, 0]);
  const places = reshape(bordered, [batch * padded * stride, channels]);
  const ofOne = placesOfTiles({ tile, from: 0, to: rows, columns, stride });
  const gathered = gatherAlong(places, 0, ofAll(ofOne, { batch, area: padded * stride, tiles: rows * columns }));
  const { input } = transformsOf(tile);
  const tiles = batch * rows * columns;
  const seen = matmul(bothSides(x, input), reshape(gathered, [planes, tiles * channels]));
  return reshape(seen, [planes, tiles, channels]);
}

/** Places of one picture's tiles, plane by plane, as those of all pictures. */
function ofAll(ofOne: Tensor, about: { readonly batch: number; readonly area: number; readonly tiles: number }) {
  const { batch, area, tiles } = about;
  const places: number[] = [];
  for (let first = 0; first < ofOne.data.length; first += tiles) {
    for (let picture = 0; picture < batch; picture++) {
      for (let i = 0; i < tiles; i++) places.push(picture * area + Number(ofOne.data[first + i]));
    }
  }
  return int64([places.length], places);
}

/** U: [K, C, 3, 3] → [planes, K, C]. */
function kernelsOf(weight: Value, tile: Tile, turned: boolean): Value {
  const [features, channels] = weight.shape as [number, number];
  const rows = transformsOf(tile).weight;
  const matrix = turned ? rows.map((row) => row.toReversed()) : rows;
  const taps = reshape(weight, [features * channels, 9]);
  return reshape(fusedProduct(bothSides(weight, matrix), taps, { turnB: true }), [(tile + 2) ** 2, features, channels]);
}

/** Products of all planes [planes, B · T, K] → [B, H, W, K] of pictures that lie as `like`. */
function pictureOf(products: Value, like: Value, tile: Tile): Value {
  const { planes, batch, height, width, rows, columns } = tilingOf(like, tile);
  const [, tiles, features] = products.shape as [number, number, number];
  const { output } = transformsOf(tile);
  const parts = matmul(bothSides(products, output), reshape(products, [planes, tiles * features]));
  const inTiles = transpose(reshape(parts, [tile, tile, batch, rows, columns, features]), [2, 3, 0, 4, 1, 5]);
  let y = reshape(inTiles, [batch, rows * tile, columns * tile, features]);
  if (rows * tile > height) y = slice(y, 1, 0, height);
  if (columns * tile > width) y = slice(y, 2, 0, width);
  return y;
}

/** x [B, H, W, C], its planes and a bias [K] → [B, H, W, K]. */
export function convolution(x: Value, planes: Value, weight: Value, bias: Value | undefined, tile: Tile): Value {
  const products = fusedProduct(planes, kernelsOf(weight, tile, false), { turnB: true });
  const y = pictureOf(products, x, tile);
  return bias ? add(y, bias) : y;
}

/** The gradient of x from that of the result [B, H, W, K]. */
export function inputGradient(g: Value, weight: Value, tile: Tile): Value {
  return pictureOf(matmul(planesOf(g, tile), kernelsOf(weight, tile, true)), g, tile);
}

/** The gradient of the weight from that of the result [B, H, W, K] and the planes of x. */
export function weightGradient(g: Value, planes: Value, tile: Tile): Value {
  const { batch, height, width, rows, columns, planes: count } = tilingOf(g, tile);
  const [features, channels] = [g.shape[3], planes.shape[2]] as [number, number];
  const [down, right] = [rows * tile - height, columns * tile - width];
  const whole = down + right > 0 ? pad(g, [0, 0, 0, 0], [0, down, right, 0]) : g;
  const inTiles = transpose(reshape(whole, [batch, rows, tile, columns, tile, features]), [2, 4, 0, 1, 3, 5]);
  const { output, weight } = transformsOf(tile);
  const tiles = batch * rows * columns;
  const spread = fusedProduct(bothSides(g, output), reshape(inTiles, [tile ** 2, tiles * features]), { turnA: true });
  const sums = fusedProduct(reshape(spread, [count, tiles, features]), planes, { turnA: true });
  const taps = fusedProduct(reshape(sums, [count, features * channels]), bothSides(g, weight), { turnA: true });
  return reshape(taps, [features, channels, 3, 3]);
}

/** Whether a convolution, or the gradient of one, is 3×3 with a border of one, step by step. */
export const isWinograd = (node: Parameters<typeof convAttributes>[0]): boolean => {
  const { kernel_shape, strides, pads } = convAttributes(node);
  return [...kernel_shape].every((n) => n === 3) && [...strides, ...pads].every((n) => n === 1);
};
