import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import {
  decodePicture,
  encodePicture,
  formatOfName,
  formats,
  type Picture,
  type PictureFormat,
  pictureFromPixels,
  quickPng,
  readMetadata,
  resizePicture,
} from "../../src/image/index.ts";
import { readPng, writePng } from "../../src/image/png.ts";
import { addPngText, readPngTexts } from "../../src/image/png-text.ts";
import { float32, InputError } from "../../src/tensor/index.ts";

const gradient: Picture = {
  width: 20,
  height: 12,
  data: Uint8Array.from({ length: 720 }, (_, i) => (i * 7) % 256),
};

describe("pictureFromPixels", () => {
  it("rounds half to even in float32, as NumPy does", async () => {
    // (np.float32([...]) * 255).round(): 0.5/255 · 255 is 0.5 → 0, 1.5 → 2, 2.5 → 2.
    const values = [0.5, 1.5, 2.5, 254.5, 100.49, 100.51].map((x) => x / 255);
    const { data, width, height } = await pictureFromPixels(float32([1, 3, 1, 2], values));
    expect([width, height]).toEqual([2, 1]);
    expect([...data]).toEqual([0, 2, 100, 2, 254, 101]);
  });

  it("cuts to 0–1 and takes the picture asked for", async () => {
    const pixels = float32([2, 3, 1, 1], [0, 0, 0, -3, 0.2, 9]);
    expect([...(await pictureFromPixels(pixels, 1)).data]).toEqual([0, 51, 255]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s: never a black picture", async (bad) => {
    await expect(pictureFromPixels(float32([1, 3, 1, 1], [0, bad, 0]))).rejects.toThrow(InputError);
  });

  it("refuses other shapes", async () => {
    await expect(pictureFromPixels(float32([1, 4, 1, 1], [0, 0, 0, 0]))).rejects.toThrow("[1,4,1,1]");
    await expect(pictureFromPixels(float32([1, 3, 1, 1], [0, 0, 0]), 1)).rejects.toThrow(RangeError);
  });
});

describe("resizePicture", () => {
  it("takes the mean of what a pixel covers", () => {
    const small = resizePicture(
      { width: 2, height: 2, data: Uint8Array.of(0, 0, 0, 8, 0, 0, 4, 0, 0, 4, 40, 0) },
      1,
      1,
    );
    expect([...small.data]).toEqual([4, 10, 0]);
  });

  it("repeats pixels where it grows", () => {
    const large = resizePicture({ width: 1, height: 1, data: Uint8Array.of(1, 2, 3) }, 2, 1);
    expect([...large.data]).toEqual([1, 2, 3, 1, 2, 3]);
  });
});

describe.each(Object.keys(formats) as PictureFormat[])("%s", (format) => {
  const infotexts = [
    "a cat\nSteps: 5, Seed: 1",
    "naïve café\nSteps: 5",
    "猫 🐈\nNegative prompt: –\nSteps: 5, Seed: 1",
    `${"word ".repeat(2000)}\nSteps: 5`,
  ];
  it.each(infotexts)("carries its infotext %#", async (infotext) => {
    const bytes = await encodePicture(gradient, format, infotext);
    expect(readMetadata(bytes, "it")).toEqual({ format, infotext, notes: [] });
    const { width, height } = await sharp(bytes).metadata();
    expect([width, height]).toEqual([20, 12]);
  });

  it("may go without infotext", async () => {
    const bytes = await encodePicture(gradient, format);
    expect(readMetadata(bytes, "it").infotext).toBeUndefined();
  });

  it("is told by the name's end", () => {
    for (const extension of formats[format].extensions) {
      expect(formatOfName(`a.b${extension.toUpperCase()}`)).toBe(format);
    }
  });
});

describe("PNG", () => {
  it("keeps every value of the picture", async () => {
    for (const bytes of [await encodePicture(gradient, "png", "x\nSteps: 1"), quickPng(gradient)]) {
      const { width, height, data } = await decodePicture(bytes, "it");
      expect({ width, height, data: Uint8Array.from(data) }).toEqual(gradient);
    }
  });

  it("has its infotext in tEXt where Latin-1 will do, else in iTXt, and in place of an older one", async () => {
    const first = await encodePicture(gradient, "png", "é\x80\nSteps: 1");
    const second = addPngText(first, "parameters", "猫");
    const types = (bytes: Uint8Array) => readPng(bytes, "it").chunks.map(({ type }) => type);
    expect(types(first)[1]).toBe("tEXt");
    expect(types(second)[1]).toBe("iTXt");
    expect(types(second)).not.toContain("tEXt");
    expect(readMetadata(first, "it").infotext).toBe("é\x80\nSteps: 1");
  });

  it("is read with deflated texts", () => {
    const png = readPng(quickPng(gradient), "it");
    const text = (type: string, head: string, body: string) => ({
      type,
      data: Buffer.concat([
        Buffer.from(head, "latin1"),
        deflateSync(Buffer.from(body, type === "iTXt" ? "utf8" : "latin1")),
      ]),
    });
    const chunks = [
      png.chunks[0]!,
      text("zTXt", "a\0\0", "naïve"),
      text("iTXt", "b\0\x01\0de\0Titel\0", "猫"),
      text("iTXt", "c\0\x01\0", "no separators"),
      { type: "tEXt", data: Buffer.from("__proto__\0x") },
      ...png.chunks.slice(1),
    ];
    const { texts, notes } = readPngTexts(readPng(writePng(chunks), "it"), "it");
    expect([...texts]).toEqual([
      ["a", "naïve"],
      ["b", "猫"],
      ["__proto__", "x"],
    ]);
    expect(notes).toHaveLength(1);
  });

  it("stops inflating when many texts together are too long", () => {
    const png = readPng(quickPng(gradient), "it");
    const long = {
      type: "zTXt",
      data: Buffer.concat([Buffer.from("k\0\0"), deflateSync(Buffer.alloc(3 * 2 ** 20, 97))]),
    };
    const bytes = writePng([png.chunks[0]!, ...Array(2000).fill(long), ...png.chunks.slice(1)]);
    const start = performance.now();
    const { notes } = readPngTexts(readPng(bytes, "it"), "it");
    expect(notes).toHaveLength(10);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("JPEG", () => {
  it("has the EXIF that A1111 writes: UNICODE, then UTF-16 with the high byte first", async () => {
    const { exif } = await sharp(await encodePicture(gradient, "jpeg", "猫\nSteps: 1")).metadata();
    expect(exif!.subarray(-"UNICODE\0".length - 2 * 10).toString("latin1")).toBe(
      `UNICODE\0\x73\x2b${[..."\nSteps: 1"].map((c) => `\0${c}`).join("")}`,
    );
  });

  it("says when a prompt is too long for it", async () => {
    const notes: string[] = [];
    const onNote = (line: string) => notes.push(line);
    const fits = await encodePicture(gradient, "jpeg", "x".repeat(60_000), { onNote });
    expect(readMetadata(fits, "it").infotext).toHaveLength(60_000);
    expect(notes).toEqual([]);
    const bytes = await encodePicture(gradient, "jpeg", "é".repeat(60_000), { onNote });
    expect(readMetadata(bytes, "it").infotext).toBeUndefined();
    expect(notes).toHaveLength(1);
  });

  it("is read where another program wrote its EXIF", async () => {
    const image = sharp(gradient.data, { raw: { width: 20, height: 12, channels: 3 } });
    const bytes = await image
      .jpeg()
      .withExif({ IFD2: { UserComment: "x, Steps: 1" } })
      .toBuffer();
    expect(readMetadata(bytes, "it").infotext).toContain("Steps: 1");
  });

  it("is not trusted: cut anywhere, it gives no error but InputError", async () => {
    const bytes = await encodePicture(gradient, "jpeg", "猫\nSteps: 1, Seed: 2, Size: 8x8");
    for (let length = 0; length < 400; length++) {
      try {
        readMetadata(bytes.subarray(0, length), "it");
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }
  });
});

it.each([
  ["GIF89a\0\0", "is a GIF"],
  ["", "is empty"],
  ["<!doctype html>", "is a web page"],
  ["\0\0\0 ftypavif", "is an AVIF"],
  ["hello", "no picture"],
])("says what %j is instead of a picture", (text, what) => {
  expect(() => readMetadata(Buffer.from(text, "latin1"), "it.png")).toThrow(
    `it.png ${what === "no picture" ? "is " : ""}${what}`,
  );
});
