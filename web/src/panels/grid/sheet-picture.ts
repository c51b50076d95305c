import type { Cell, Side } from "../../state/sheet.svelte.ts";

/** How the labels of a side are written. */
export type Labels = readonly [columns: readonly string[], rows: readonly string[], tables: readonly string[]];

const GAP = 12;
const FONT = 20;
const LINE = FONT * 1.4;
/** Browsers refuse canvases with longer sides. */
const LONGEST = 8192;

/**
 * All cells of a sheet with their labels, as one PNG on light paper.
 *
 * @throws Error where a picture cannot be loaded, or the sheet is too large for a canvas
 */
export async function sheetPicture(
  title: string,
  [columns, rows, tables]: readonly [Side, Side, Side],
  labels: Labels,
  cells: readonly (readonly (readonly Cell[])[])[],
): Promise<Blob> {
  const bitmaps = await Promise.all(
    cells.map((table) =>
      Promise.all(table.map((row) => Promise.all(row.map(({ picture }) => picture && load(picture.url))))),
    ),
  );
  const all = bitmaps.flat(2).filter((bitmap) => bitmap !== undefined);
  if (all.length === 0) throw new Error("empty");
  const measure = context(1, 1);
  const left =
    Math.max(0, ...labels[1].map((label) => measure.measureText(label).width)) +
    (labels[1].some((l) => l) ? 2 * GAP : GAP);
  const [wide, high] = [Math.max(...all.map(({ width }) => width)), Math.max(...all.map(({ height }) => height))];
  const tableHigh = LINE * (labels[2].some((l) => l) ? 2 : 1) + rows.values.length * (high + GAP);
  const [width, height] = [
    left + columns.values.length * (wide + GAP),
    2 * GAP + LINE + tables.values.length * (tableHigh + GAP),
  ];
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const paper = context(Math.ceil(width * scale), Math.ceil(height * scale));
  paper.scale(scale, scale);
  paper.fillStyle = "#fafaf8";
  paper.fillRect(0, 0, width, height);
  paper.fillStyle = "#1c1f2a";
  paper.fillText(title, GAP, GAP + FONT, width - 2 * GAP);
  for (const [z, table] of bitmaps.entries()) {
    let top = 2 * GAP + LINE + z * (tableHigh + GAP);
    if (labels[2][z]) {
      paper.fillText(labels[2][z], GAP, top + FONT);
      top += LINE;
    }
    for (const [x, label] of labels[0].entries()) paper.fillText(label, left + x * (wide + GAP), top + FONT, wide);
    top += LINE;
    for (const [y, row] of table.entries()) {
      const at = top + y * (high + GAP);
      paper.fillText(labels[1][y] ?? "", GAP, at + high / 2 + FONT / 2);
      for (const [x, bitmap] of row.entries()) if (bitmap) paper.drawImage(bitmap, left + x * (wide + GAP), at);
    }
  }
  return paper.canvas.convertToBlob({ type: "image/png" });
}

function context(width: number, height: number): OffscreenCanvasRenderingContext2D {
  const made = new OffscreenCanvas(width, height).getContext("2d");
  if (!made) throw new Error("no canvas");
  made.font = `500 ${FONT}px system-ui, sans-serif`;
  return made;
}

async function load(url: string): Promise<ImageBitmap> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return createImageBitmap(await answer.blob());
}
