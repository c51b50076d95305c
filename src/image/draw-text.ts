import { fileURLToPath } from "node:url";
import { loadEncoder } from "./encode.ts";

/** How dark each pixel of a text is: width · height bytes, 0 nothing, 255 ink. */
export interface DrawnText {
  readonly width: number;
  readonly height: number;
  readonly ink: Uint8Array;
}

export interface TextOptions {
  /** Pixels that a line may take. */
  readonly width: number;
  /** Height of the letters, in pixels. */
  readonly size: number;
  /** Lines at most; what does not fit ends in "…". */
  readonly lines: number;
}

/** Comes with the package: a bare machine has no fonts at all, and every sheet should look the same. */
const FONT = new URL("../../assets/font/Inter-Regular.ttf", import.meta.url);

/** Draws a text in as many lines as it takes; undefined where there is nothing to draw. */
export async function drawText(text: string, { width, size, lines }: TextOptions): Promise<DrawnText | undefined> {
  const words = text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .split(" ");
  if (words.join("") === "") return undefined;
  const whole = await draw(words.join(" "), width, size);
  const limit = (await heightOf(lines, width, size)) + 1;
  if (whole.height <= limit) return whole;
  // The most words that fit, by halving.
  let [fits, tooMany] = [0, words.length];
  let best: DrawnText | undefined;
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    const drawn = await draw(
      `${words
        .slice(0, middle)
        .join(" ")
        .replace(/[,;:]$/, "")} …`,
      width,
      size,
    );
    if (drawn.height <= limit) [fits, best] = [middle, drawn];
    else tooMany = middle;
  }
  return best ?? draw(`${[...words[0]!].slice(0, 12).join("")}…`, width, size);
}

/** Of so many lines whose letters reach as high and as low as letters do. */
async function heightOf(lines: number, width: number, size: number): Promise<number> {
  return (await draw(Array(lines).fill("Ágj").join("\n"), width, size)).height;
}

async function draw(text: string, width: number, size: number): Promise<DrawnText> {
  const sharp = await loadEncoder();
  const { data, info } = await sharp({
    text: {
      // Pango reads markup.
      text: text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
      font: `Inter ${size}`,
      fontfile: fileURLToPath(FONT),
      width,
      // One point is one pixel.
      dpi: 72,
      wrap: "word-char",
    },
  })
    .extractChannel(0)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, ink: new Uint8Array(data) };
}
