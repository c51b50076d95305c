import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { loadEncoder, type Picture } from "../../../image/index.ts";
import type { Hex } from "./palette.ts";

/** A portrait in parts: in its body and its parts, `{hair}` is a place for another part, `{@hair}` for a colour. */
export interface Kit {
  readonly viewBox: string;
  /** Drawn on a coarse grid of as many pixels as the view box has, whose pixels stay sharp. */
  readonly crisp: boolean;
  readonly body: string;
  readonly parts: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export const portraitStyles = ["pixel", "lorelei", "bigheads", "faces"] as const;
export type PortraitStyleName = (typeof portraitStyles)[number];

export type ObjectStyle = "3d" | "glossy" | "flat" | "noto";

/** Something that is drawn in up to four styles. */
export interface ArtObject {
  readonly noun: string;
  /** Absent of what is not counted: "grapes", "scissors". */
  readonly plural?: string;
  /** The noun first. */
  readonly names: readonly string[];
  /** Where it belongs: land, sea, sky, plant, food, thing, wear, place, vehicle. */
  readonly kind: string;
  /** Its colour, where that is the same in every style. */
  readonly color?: string;
  /** The fill that gives the flat drawing its colour, where it may be painted over. */
  readonly paint?: string;
  /** SVG, or where in the file of small pictures a WebP lies. */
  readonly styles: Readonly<Partial<Record<ObjectStyle, string | readonly [offset: number, length: number]>>>;
  /** The main colours of the drawing and their shares in hundredths. */
  readonly tones: Readonly<Partial<Record<ObjectStyle, readonly (readonly [Hex, number])[]>>>;
}

export interface Art {
  readonly portraits: Readonly<Record<PortraitStyleName, Kit>>;
  readonly objects: readonly ArtObject[];
  /** WebP pictures of the three-dimensional objects, one after another. */
  readonly pictures: Uint8Array;
}

const FOLDER = new URL("../../../../assets/drawings/", import.meta.url);

/** The drawings that come with the package: scripts/pack-drawings.mjs says from where, NOTICE whose they are. */
export async function readArt(): Promise<Art> {
  const packed = await readFile(new URL("drawings.json.br", FOLDER));
  const pictures = await readFile(new URL("objects.webp.bin", FOLDER));
  const json = (await promisify(brotliDecompress)(packed)).toString("utf8");
  return { ...(JSON.parse(json) as Omit<Art, "pictures">), pictures };
}

/** What is put into the places of a kit. A part that is not named is not there. */
export interface Choice {
  readonly parts: Readonly<Record<string, string>>;
  readonly colors: Readonly<Record<string, Hex>>;
  readonly background: Hex;
  /** As in a mirror. */
  readonly mirrored?: boolean;
}

/** The SVG of a portrait. */
export function assembled({ viewBox, crisp, body, parts }: Kit, choice: Choice): string {
  const fill = (text: string): string =>
    text.replace(/\{(@?)(\w+)\}/g, (_, color: string, name: string) => {
      if (color) return `#${choice.colors[name] ?? "000000"}`;
      const variant = choice.parts[name];
      if (variant === undefined) return "";
      const part = parts[name]?.[variant];
      if (part === undefined) throw new RangeError(`There is no ${name} "${variant}" to draw.`);
      return fill(part);
    });
  const [left, top, width, height] = viewBox.split(" ").map(Number) as [number, number, number, number];
  const turned = choice.mirrored ? ` transform="translate(${2 * left + width} 0) scale(-1 1)"` : "";
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${viewBox}"${crisp ? ' shape-rendering="crispEdges"' : ""}>` +
    `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="#${choice.background}"/>` +
    `<g${turned}>${fill(body)}</g></svg>`
  );
}

/** Red, green, blue and alpha. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An SVG at a size, whatever size it gives itself. */
export async function rasterOf(svg: string, width: number, height: number): Promise<Raster> {
  const sharp = await loadEncoder();
  const sized = svg.replace("<svg ", `<svg width="${width}" height="${height}" preserveAspectRatio="none" `);
  const data = await sharp(Buffer.from(sized)).ensureAlpha().raw().toBuffer();
  return { width, height, data };
}

/** A raster without holes as a picture. */
export function pictureOf({ width, height, data }: Raster): Picture {
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) rgb.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return { width, height, data: rgb };
}
