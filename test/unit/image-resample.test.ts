/** Other sizes, against Pillow and diffusers (test/golden/resample.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Picture, resample } from "../../src/image/index.ts";
import { fittedSize, initPicture } from "../../src/pipelines/init-picture.ts";
import { InputError } from "../../src/tensor/index.ts";

type Pair = readonly [width: number, height: number];
interface Golden {
  readonly resized: readonly { from: Pair; to: Pair; data: string; bicubic: string; lanczos: string }[];
  readonly prepared: readonly { from: Pair; to: Pair; data: string; picture: string; mask: string }[];
}
const golden = JSON.parse(readFileSync(new URL("../golden/resample.json", import.meta.url), "utf8")) as Golden;

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
const picture = ([width, height]: Pair, data: string): Picture => ({ width, height, data: bytes(data) });
const plain = (width: number, height: number, value: number): Picture => ({
  width,
  height,
  data: new Uint8Array(3 * width * height).fill(value),
});
const all = { maskBlur: 0, keepUnmasked: true };

describe.each(golden.resized)("$from → $to", ({ from, to, data, ...want }) => {
  it.each(["bicubic", "lanczos"] as const)("%s is Pillow's, byte for byte", async (kernel) => {
    const got = await resample(picture(from, data), ...to, kernel);
    expect([got.width, got.height]).toEqual(to);
    expect(got.data).toEqual(bytes(want[kernel]));
  });
});

describe.each(golden.prepared)("a picture of $from, drawn at $to", ({ from, to, data, ...want }) => {
  it("is prepared as diffusers does, and so is a mask", async () => {
    const image = picture(from, data);
    const [width, height] = to;
    const got = await initPicture({ image, mask: image, ...all }, { width, height });
    expect(got.picture.shape).toEqual([1, 3, height, width]);
    const area = width * height;
    const pixels = Uint8Array.from(
      { length: 3 * area },
      (_, i) => got.picture.data[(i % 3) * area + Math.floor(i / 3)]! * 255 + 0.5,
    );
    expect(pixels).toEqual(bytes(want.picture));
    expect(Uint8Array.from(got.mask!.data)).toEqual(bytes(want.mask));
  });
});

describe("a mask", () => {
  const image = plain(16, 8, 90);

  it("of another size is stretched over the picture", async () => {
    const half: Picture = { width: 2, height: 1, data: Uint8Array.of(0, 0, 0, 255, 255, 255) };
    const { mask } = await initPicture({ image, mask: half, ...all }, { width: 16, height: 8 });
    const row = [...mask!.data.subarray(0, 16)];
    expect(row).toEqual([...Array(8).fill(0), ...Array(8).fill(1)]);
  });

  it("is open from a half on", async () => {
    const at = async (value: number) =>
      (await initPicture({ image, mask: plain(16, 8, value), ...all }, image)).mask!.data[0];
    expect(await at(128)).toBe(1);
    await expect(at(127)).rejects.toThrow(InputError);
    await expect(at(0)).rejects.toThrow(/black everywhere.*paint white/);
  });

  it("fades in inside its edge, never outside; a picture's border is no edge", async () => {
    const data = new Uint8Array(3 * 16 * 8);
    for (let i = 0; i < 16 * 8; i++) if (i % 16 >= 6) data.fill(255, 3 * i, 3 * i + 3);
    const shown = async (maskBlur: number) =>
      [...(await initPicture({ image, mask: { ...image, data }, ...all, maskBlur }, image)).shown!.data].slice(0, 16);
    expect(await shown(0)).toEqual([0, 0, 0, 0, 0, 0, ...Array(10).fill(1)]);
    expect(await shown(3)).toEqual([0, 0, 0, 0, 0, 0, 0.25, 0.5, 0.75, ...Array(7).fill(1)]);
    const open = await initPicture({ image, mask: plain(16, 8, 255), ...all, maskBlur: 4 }, image);
    expect(new Set(open.shown!.data)).toEqual(new Set([1]));
  });
});

describe("fittedSize", () => {
  const area = 256 * 256;
  it.each([
    [256, 256, 256, 256],
    [4000, 3000, 344, 256],
    [3000, 4000, 256, 344],
    [200, 100, 512, 256],
    [400, 100, 728, 184],
    [10, 10, 256, 256],
    [1, 100_000, 64, 4096],
  ])("of %i×%i is %i×%i", (width, height, ...fitted) => {
    expect(fittedSize({ width, height }, area, 8)).toEqual({ width: fitted[0], height: fitted[1] });
  });
});
