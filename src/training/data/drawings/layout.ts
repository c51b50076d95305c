import type { Picture } from "../../../image/index.ts";
import { loadEncoder } from "../../../image/index.ts";
import { type Box, boxOf } from "../boxes.ts";
import { chanceOf } from "../chance.ts";
import { coverage } from "../shape-forms.ts";
import { type Art, type ObjectStyle, pictureOf, type Raster, rasterOf } from "./art.ts";
import { type Background, channels, palette, repainted } from "./palette.ts";
import { type SceneName, sceneSvg } from "./scenes.ts";
import type { Thing } from "./things.ts";

/** A thing in its place; lengths are parts of the picture's side. */
export interface Placed {
  readonly thing: Thing;
  readonly x: number;
  /** Its middle, or where it stands if it is grounded. */
  readonly y: number;
  /** The longer side of the drawing. */
  readonly side: number;
  readonly grounded?: boolean;
}

export interface Layout {
  readonly behind: { readonly background: Background } | { readonly scene: SceneName; readonly seed: number };
  readonly placed: readonly Placed[];
}

/** Pixels of a side at which drawings are looked at to find where they end. */
const LOOK = 128;

/** The picture of a layout, and where in it each thing is, exactly. */
export async function drawLayout(
  art: Art,
  { behind, placed }: Layout,
  size: number,
): Promise<{ readonly picture: Picture; readonly boxes: readonly Box[] }> {
  const picture = "scene" in behind ? await scenery(behind.scene, behind.seed, size) : plain(behind.background, size);
  const boxes: Box[] = [];
  for (const { thing, x, y, side, grounded } of placed) {
    const sprite = await spriteOf(art, thing, Math.max(1, Math.round(side * size)));
    const left = Math.round(x * size - sprite.width / 2);
    const top = Math.round(y * size - (grounded ? sprite.height : sprite.height / 2));
    lay(picture, sprite, left, top);
    const inside = (value: number): number => Math.min(size, Math.max(0, value));
    boxes.push([inside(left), inside(top), inside(left + sprite.width), inside(top + sprite.height)]);
  }
  return { picture, boxes };
}

async function scenery(scene: SceneName, seed: number, size: number): Promise<Picture> {
  return pictureOf(await rasterOf(sceneSvg(scene, chanceOf(seed)), size, size));
}

function plain(background: Background, size: number): Picture {
  const color = channels(palette.background[background]);
  const data = Uint8Array.from({ length: 3 * size ** 2 }, (_, i) => color[i % 3]!);
  return { width: size, height: size, data };
}

/** A thing without the empty space around it, its longer side `side` pixels. */
async function spriteOf(art: Art, thing: Thing, side: number): Promise<Raster> {
  if (thing.form) return shapeSprite(thing, side);
  const drawing = thing.object!.styles[thing.style as ObjectStyle]!;
  if (typeof drawing === "string") {
    const svg = thing.paint ? repainted(drawing, thing.object!.paint!.slice(1), palette.paint[thing.paint]) : drawing;
    return svgSprite(svg, side);
  }
  const [offset, length] = drawing;
  return webpSprite(art.pictures.subarray(offset, offset + length), side);
}

function shapeSprite({ form, paint }: Thing, side: number): Raster {
  const covered = coverage(form!, { x: side / 2, y: side / 2, reach: side / 2 }, side);
  const color = channels(palette.paint[paint!]);
  const data = new Uint8Array(4 * side ** 2);
  for (const [i, part] of covered.entries()) data.set([...color, Math.round(255 * part)], 4 * i);
  return { width: side, height: side, data };
}

/** The drawing is looked at once to see where it ends; then only that is drawn, at the size it is wanted. */
async function svgSprite(svg: string, side: number): Promise<Raster> {
  const [, viewBox] = /viewBox="([^"]*)"/.exec(svg)!;
  const [x, y, width, height] = viewBox!.split(" ").map(Number) as [number, number, number, number];
  const [left, top, right, bottom] = edgesOf(await rasterOf(svg, LOOK, LOOK));
  const [across, down] = [width / LOOK, height / LOOK];
  const inner = [x + left * across, y + top * down, (right - left) * across, (bottom - top) * down];
  const scale = side / Math.max(inner[2]!, inner[3]!);
  const cut = svg.replace(`viewBox="${viewBox}"`, `viewBox="${inner.join(" ")}"`);
  return rasterOf(cut, Math.max(1, Math.round(inner[2]! * scale)), Math.max(1, Math.round(inner[3]! * scale)));
}

async function webpSprite(webp: Uint8Array, side: number): Promise<Raster> {
  const sharp = await loadEncoder();
  const { data, info } = await sharp(webp).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const [left, top, right, bottom] = edgesOf({ width: info.width, height: info.height, data });
  const size = { width: right - left, height: bottom - top };
  const scale = side / Math.max(size.width, size.height);
  const [width, height] = [Math.max(1, Math.round(size.width * scale)), Math.max(1, Math.round(size.height * scale))];
  const cut = sharp(data, { raw: { width: info.width, height: info.height, channels: 4 } })
    .extract({ left, top, ...size })
    .resize(width, height, { fit: "fill" });
  return { width, height, data: await cut.raw().toBuffer() };
}

function edgesOf({ width, height, data }: Raster): Box {
  return boxOf(width, height, (i) => data[4 * i + 3]! > 24).box ?? [0, 0, width, height];
}

/** Lays a sprite over a picture; what is outside of it is cut off. */
function lay(picture: Picture, { width, height, data }: Raster, left: number, top: number): void {
  for (let v = Math.max(0, -top); v < Math.min(height, picture.height - top); v++) {
    for (let u = Math.max(0, -left); u < Math.min(width, picture.width - left); u++) {
      const [from, to] = [4 * (v * width + u), 3 * ((top + v) * picture.width + left + u)];
      const alpha = data[from + 3]! / 255;
      for (let c = 0; c < 3; c++) {
        picture.data[to + c] = Math.round(picture.data[to + c]! * (1 - alpha) + data[from + c]! * alpha);
      }
    }
  }
}
