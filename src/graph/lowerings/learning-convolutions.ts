import { int64, type Tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { add, gatherAlong, matmul, pad, reshape, transpose } from "../ops/index.ts";
import { fusedProduct, timesTransposed } from "./products.ts";
import {
  bordered,
  bothSides,
  cropped,
  placesOfTiles,
  type Tile,
  tilingOf,
  transformedWeight,
  transformsOf,
} from "./winograd.ts";

/**
 * 3×3 convolutions with a border of one and their gradients by Winograd's minimal filtering, for pictures [B, H, W, C] of a
 * known number and weights [K, C, 3, 3] that are other ones in each run: the same sums as in winograd.ts, with the tiles
 * of all pictures in one row, so that each plane is one product even where a picture has few tiles.
 *
 * With U = G w Gᵀ, V = Bᵀ x B of each tile and Y = A (U ⊙ V) Aᵀ of each tile, the gradient of w is Gᵀ [Σ (A g Aᵀ) ⊙ V] G over
 * the tiles, and that of x the convolution of g with the weight turned around (Lavin & Gray 2016, §4).
 */

/** V: x [B, H, W, C] → [planes, B · T, C]. */
export function planesOf(x: Value, tile: Tile): Value {
  const tiling = tilingOf(x, tile);
  const { planes, rows, columns, area, stride } = tiling;
  const [batch, , , channels] = x.shape as [number, number, number, number];
  const places = reshape(bordered(x, tiling), [batch * area, channels]);
  const ofOne = placesOfTiles({ tile, from: 0, to: rows, columns, stride });
  const gathered = gatherAlong(places, 0, ofAll(ofOne, { batch, area, tiles: rows * columns }));
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

/** Products of all planes [planes, B · T, K] → [B, H, W, K] of pictures that lie as `like`. */
function pictureOf(products: Value, like: Value, tile: Tile): Value {
  const tiling = tilingOf(like, tile);
  const { planes, rows, columns } = tiling;
  const [, tiles, features] = products.shape as [number, number, number];
  const batch = like.shape[0]!;
  const { output } = transformsOf(tile);
  const parts = matmul(bothSides(products, output), reshape(products, [planes, tiles * features]));
  const inTiles = transpose(reshape(parts, [tile, tile, batch, rows, columns, features]), [2, 3, 0, 4, 1, 5]);
  return cropped(reshape(inTiles, [batch, rows * tile, columns * tile, features]), tiling);
}

/** x [B, H, W, C], its planes and a bias [K] → [B, H, W, K]. */
export function convolution(x: Value, planes: Value, weight: Value, bias: Value | undefined, tile: Tile): Value {
  const y = pictureOf(timesTransposed(planes, transformedWeight(weight, transformsOf(tile).weight)), x, tile);
  return bias ? add(y, bias) : y;
}

/** The gradient of x from that of the result [B, H, W, K]. */
export function inputGradient(g: Value, weight: Value, tile: Tile): Value {
  const turned = transformsOf(tile).weight.map((row) => row.toReversed());
  return pictureOf(matmul(planesOf(g, tile), transformedWeight(weight, turned)), g, tile);
}

/** The gradient of the weight from that of the result [B, H, W, K] and the planes of x. */
export function weightGradient(g: Value, planes: Value, tile: Tile): Value {
  const { height, width, rows, columns, planes: count } = tilingOf(g, tile);
  const [batch, , , features] = g.shape as [number, number, number, number];
  const channels = planes.shape[2] as number;
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
