import { type Picture, resizePicture } from "../image/picture.ts";
import { quickPng } from "../image/png.ts";
import type { Cli, Output } from "./cli.ts";

/** Ways to show a picture in a terminal, best first; half blocks work everywhere. */
export const previewKinds = ["kitty", "iterm2", "sixel", "blocks"] as const;
export type PreviewKind = (typeof previewKinds)[number];

/** The best way that the terminal is known to understand. Undefined where nothing may be drawn at all. */
export async function detectPreview(output: Output, env: Cli["env"]): Promise<PreviewKind | undefined> {
  if (!output.isTTY || env["TERM"] === "dumb" || env["NO_COLOR"]) return undefined;
  // Multiplexers keep their terminal's variables but not its pictures.
  if (env["TMUX"] || /^(screen|tmux)/.test(env["TERM"] ?? "")) return "blocks";
  const { createSupportsTerminalGraphics } = await import("supports-terminal-graphics");
  const supported = createSupportsTerminalGraphics({ isTTY: true });
  return supported.kitty ? "kitty" : supported.iterm2 ? "iterm2" : supported.sixel ? "sixel" : "blocks";
}

/** How many rows and columns of the terminal a picture takes: cells are taken to be twice as high as wide. */
export function previewSize(
  picture: Pick<Picture, "width" | "height">,
  output: Output,
): { rows: number; columns: number } {
  const mostColumns = Math.max(2, (output.columns ?? 80) - 1);
  const rows = Math.max(2, Math.min(16, (output.rows ?? 24) - 4));
  const columns = Math.max(2, Math.round((2 * rows * picture.width) / picture.height));
  if (columns <= mostColumns) return { rows, columns };
  return { rows: Math.max(1, Math.round((rows * mostColumns) / columns)), columns: mostColumns };
}

/**
 * What to write to show `picture` from the cursor's place, which stays where it is: `rows` below and including the
 * cursor's row are used.
 */
export async function showPicture(
  kind: PreviewKind,
  picture: Picture,
  { rows, columns }: { rows: number; columns: number },
  env: Cli["env"],
): Promise<string> {
  switch (kind) {
    case "kitty":
      return kitty(resizeToCells(picture, columns, rows, 8), columns, rows);
    case "iterm2":
      return iterm2(resizeToCells(picture, columns, rows, 8), columns, rows);
    case "sixel":
      // Sixels are pixels: a row is taken to be at least 16 of them high.
      return sixel(resizeToCells(picture, columns, rows, 8));
    case "blocks":
      return halfBlocks(resizePicture(picture, columns, 2 * rows), /truecolor|24bit/i.test(env["COLORTERM"] ?? ""));
  }
}

function resizeToCells(picture: Picture, columns: number, rows: number, cell: number): Picture {
  return resizePicture(picture, columns * cell, rows * 2 * cell);
}

/** Two pixels a cell: the upper one is the colour of ▀, the lower one its background. */
export function halfBlocks({ width, height, data }: Picture, trueColor: boolean): string {
  const colour = (x: number, y: number): string => {
    const [r, g, b] = data.subarray(3 * (y * width + x));
    return trueColor ? `2;${r};${g};${b}` : `5;${cube(r!, g!, b!)}`;
  };
  let out = "";
  for (let y = 0; y + 1 < height; y += 2) {
    for (let x = 0; x < width; x++) out += `\x1b[38;${colour(x, y)};48;${colour(x, y + 1)}m▀`;
    out += `\x1b[0m\x1b[${width}D\x1b[1B`;
  }
  return `${out}\x1b[${height >> 1}A`;
}

/** The nearest of the 6 × 6 × 6 colours that nearly every terminal has. */
function cube(r: number, g: number, b: number): number {
  const level = (value: number): number => Math.round((value / 255) * 5);
  return 16 + 36 * level(r) + 6 * level(g) + level(b);
}

/** Kitty's protocol: RGB in pieces of 4096 letters, placed under one number so that each picture replaces the last. */
function kitty({ width, height, data }: Picture, columns: number, rows: number): string {
  const base64 = Buffer.from(data).toString("base64");
  let out = "";
  for (let at = 0; at < base64.length; at += 4096) {
    const keys = at === 0 ? `a=T,f=24,s=${width},v=${height},c=${columns},r=${rows},C=1,q=2,i=77,p=1,` : "";
    out += `\x1b_G${keys}m=${at + 4096 < base64.length ? 1 : 0};${base64.slice(at, at + 4096)}\x1b\\`;
  }
  return out;
}

/** iTerm2's protocol leaves the cursor behind the picture: it is put back. */
function iterm2(picture: Picture, columns: number, rows: number): string {
  const png = Buffer.from(quickPng(picture));
  const keys = `inline=1;size=${png.length};width=${columns};height=${rows};preserveAspectRatio=1`;
  return `\x1b7\x1b]1337;File=${keys}:${png.toString("base64")}\x07\x1b8`;
}

async function sixel({ width, height, data }: Picture): Promise<string> {
  const { default: library } = await import("sixel");
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return `\x1b7${library.image2sixel(rgba, width, height, 256, 0)}\x1b8`;
}
