import { type DrawnText, drawText } from "./draw-text.ts";
import { loadEncoder } from "./encode.ts";
import type { Picture } from "./picture.ts";

export interface SheetCell {
  readonly picture: Picture;
  /** Stands under the picture. */
  readonly caption?: string;
}

export interface SheetOptions {
  /** Pictures side by side. Default: what makes the sheet a little wider than high, with few places empty. */
  readonly columns?: number;
  /** Pixels of a picture's longer side at most; larger ones are shrunk. Default 512, less where there are many. */
  readonly side?: number;
  /** Lines of a caption at most. Default 4. */
  readonly lines?: number;
}

/** Pixels of a sheet's width that it will not go far beyond. */
const MAX_WIDTH = 6144;
const PAPER = 250;
const INK = 40;

/**
 * Pictures in rows, each with its caption under it, on light paper: a contact sheet. They may differ in size, and stand in
 * the middle of their places.
 *
 * @throws RangeError where there is no picture
 */
export async function contactSheet(cells: readonly SheetCell[], options: SheetOptions = {}): Promise<Picture> {
  if (cells.length === 0) throw new RangeError("A contact sheet needs a picture.");
  const columns = Math.min(cells.length, options.columns ?? columnsOf(cells.length));
  const side = options.side ?? sideOf(columns);
  const pictures: Picture[] = [];
  for (const { picture } of cells) pictures.push(await shrunk(picture, side));
  const width = Math.max(...pictures.map((picture) => picture.width));
  const gap = Math.max(8, Math.round(width / 16));
  const size = Math.min(20, Math.max(11, Math.round(width / 18)));
  const captions: (DrawnText | undefined)[] = [];
  for (const { caption = "" } of cells)
    captions.push(await drawText(caption, { width, size, lines: options.lines ?? 4 }));

  const rows = Array.from({ length: Math.ceil(cells.length / columns) }, (_, row) => {
    const of = <T>(all: readonly T[]): T[] => all.slice(row * columns, (row + 1) * columns);
    const high = Math.max(...of(pictures).map(({ height }) => height));
    const text = Math.max(...of(captions).map((caption) => caption?.height ?? 0));
    return { high, text, height: high + (text > 0 ? Math.round(size * 0.6) + text : 0) };
  });
  const sheet = {
    width: gap + columns * (width + gap),
    height: gap + rows.reduce((sum, { height }) => sum + height + gap, 0),
  };
  const data = new Uint8Array(3 * sheet.width * sheet.height).fill(PAPER);
  let top = gap;
  for (const [row, { high, text, height }] of rows.entries()) {
    for (let column = 0; column < columns; column++) {
      const cell = row * columns + column;
      const picture = pictures[cell];
      if (!picture) break;
      const left = gap + column * (width + gap);
      // As low as its place goes, so that pictures stand on one line with their captions right under them.
      paste(data, sheet.width, picture, left + ((width - picture.width) >> 1), top + high - picture.height);
      const caption = captions[cell];
      if (caption) print(data, sheet.width, caption, left, top + height - text);
    }
    top += height + gap;
  }
  return { ...sheet, data };
}

/** Of the numbers of columns that make a sheet about as wide as high to half as wide again, the one that fills it best. */
function columnsOf(count: number): number {
  const least = Math.ceil(Math.sqrt(count));
  let best = least;
  for (let columns = least; columns <= Math.ceil(1.5 * Math.sqrt(count)); columns++) {
    if (empty(count, columns) < empty(count, best)) best = columns;
  }
  return best;
}

const empty = (count: number, columns: number): number => Math.ceil(count / columns) * columns - count;

/** A picture as the sheet of `count` will show it: what has to be kept until all are there. */
export function pictureForSheet(picture: Picture, count: number): Promise<Picture> {
  return shrunk(picture, sideOf(columnsOf(count)));
}

const sideOf = (columns: number): number => Math.min(512, Math.floor(MAX_WIDTH / columns));

async function shrunk(picture: Picture, side: number): Promise<Picture> {
  const { width, height, data } = picture;
  const scale = side / Math.max(width, height);
  if (scale >= 1) return picture;
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const sharp = await loadEncoder();
  const small = sharp(data, { raw: { width, height, channels: 3 } }).resize(size.width, size.height, { fit: "fill" });
  return { ...size, data: new Uint8Array(await small.raw().toBuffer()) };
}

function paste(sheet: Uint8Array, sheetWidth: number, { width, height, data }: Picture, left: number, top: number) {
  for (let y = 0; y < height; y++) {
    sheet.set(data.subarray(3 * y * width, 3 * (y + 1) * width), 3 * ((top + y) * sheetWidth + left));
  }
}

function print(sheet: Uint8Array, sheetWidth: number, { width, height, ink }: DrawnText, left: number, top: number) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dark = ink[y * width + x]! / 255;
      sheet.fill(
        Math.round(PAPER + dark * (INK - PAPER)),
        3 * ((top + y) * sheetWidth + left + x),
        3 * ((top + y) * sheetWidth + left + x + 1),
      );
    }
  }
}
