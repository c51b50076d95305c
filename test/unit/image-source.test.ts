/** Pictures from strangers' cameras and programs: what `readPicture` makes of them. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { expect, it } from "vitest";
import { readPicture } from "../../src/image/index.ts";
import { InputError } from "../../src/tensor/index.ts";

/** Red on the left, blue on the right. */
const halves = (): Sharp =>
  sharp({ create: { width: 32, height: 16, channels: 3, background: "red" } }).composite([
    { input: { create: { width: 16, height: 16, channels: 3, background: "blue" } }, left: 16, top: 0 },
  ]);

async function colors(bytes: Uint8Array) {
  const { width, height, data } = await readPicture(bytes);
  const at = (x: number, y: number) => [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)];
  return { width, height, first: at(2, 2), last: at(width - 3, height - 3) };
}

const isRed = ([r, g, b]: number[]) => r! > 200 && g! < 60 && b! < 60;
const isBlue = ([r, g, b]: number[]) => r! < 80 && g! < 110 && b! > 130;

it.each([
  ["a PNG of 16 bits", () => halves().toColourspace("rgb16").png()],
  ["a PNG with a palette", () => halves().png({ palette: true })],
  ["a JPEG in CMYK", () => halves().toColourspace("cmyk").jpeg({ chromaSubsampling: "4:4:4" })],
  ["a progressive JPEG", () => halves().jpeg({ progressive: true })],
  ["a WebP", () => halves().webp()],
])("reads %s", async (_, make) => {
  const { width, height, first, last } = await colors(await make().toBuffer());
  expect([width, height]).toEqual([32, 16]);
  expect(isRed(first), `${first}`).toBe(true);
  expect(isBlue(last), `${last}`).toBe(true);
});

it("turns a portrait of a telephone upright", async () => {
  // Orientation 6: to be turned clockwise by a quarter, so that left becomes top.
  const bytes = await halves().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  const { width, height, first, last } = await colors(bytes);
  expect([width, height]).toEqual([16, 32]);
  expect([isRed(first), isBlue(last)]).toEqual([true, true]);
});

it("takes the first picture of an animated WebP, and says that it reads no GIF", async () => {
  const frames = Buffer.alloc(3 * 8 * 16, 200);
  frames.fill(10, 3 * 8 * 8);
  const film = sharp(frames, { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } });
  const { width, height, first } = await colors(await film.clone().webp({ lossless: true }).toBuffer());
  expect([width, height, ...first]).toEqual([8, 8, 200, 200, 200]);
  await expect(readPicture(await film.clone().gif().toBuffer())).rejects.toThrow(/is a GIF; PNG, JPEG and WEBP/);
});

it("lays transparency over white, or black where that is asked for", async () => {
  const clear = await sharp({ create: { width: 2, height: 1, channels: 4, background: "#ff000000" } })
    .png()
    .toBuffer();
  expect([...(await readPicture(clear)).data]).toEqual(Array(6).fill(255));
  expect([...(await readPicture(clear, { background: "black" })).data]).toEqual(Array(6).fill(0));
});

it("takes pixels as they are, if there are as many as they say", async () => {
  const picture = { width: 2, height: 1, data: new Uint8Array(6) };
  expect(await readPicture(picture)).toBe(picture);
  await expect(readPicture({ ...picture, width: 3 })).rejects.toThrow(/3×1 has 9 bytes.*has 6/);
  await expect(readPicture({ ...picture, width: Number.NaN })).rejects.toThrow(InputError);
});

it("refuses what is broken or too large in one sentence", async () => {
  const folder = await mkdtemp(join(tmpdir(), "inkling-source-"));
  try {
    const jpeg = await halves().jpeg().toBuffer();
    const file = join(folder, "half.jpg");
    await writeFile(file, jpeg.subarray(0, jpeg.length / 2));
    await expect(readPicture(file)).rejects.toThrow(/half\.jpg is a damaged JPEG/);
    await expect(readPicture(join(folder, "none.png"))).rejects.toThrow(/none\.png.*no such file/);
    await expect(readPicture(folder)).rejects.toThrow(/is a folder/);
    // A JPEG whose header claims 65500 × 65500 pixels.
    const bomb = Buffer.from(jpeg);
    const frame = bomb.indexOf(Buffer.of(0xff, 0xc0));
    bomb.writeUInt16BE(65500, frame + 5);
    bomb.writeUInt16BE(65500, frame + 7);
    await expect(readPicture(bomb)).rejects.toThrow(/more than 268435456 pixels/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
