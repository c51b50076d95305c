import { readFile, stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decodePicture, type Picture } from "../../src/image/index.ts";
import { type ImageEvent, type Inkling, load, type StepEvent } from "../../src/pipelines/index.ts";
import { openCheckpoint } from "../../src/weights/index.ts";

const folder = new URL("../../models/inkdrop-256/", import.meta.url).pathname;

/**
 * Drawn with the float16 weights by `inkling "a lady with blue eyes" --seed 10 --model FLOAT16_FOLDER` and the settings
 * of inkling.json; they stand in the picture's own infotext.
 */
const reference = new URL("../golden/embedded-float16.png", import.meta.url);
const PROMPT = "a lady with blue eyes";
const SEED = 10;
/** Where her eyes are. */
const EYES: readonly Field[] = [
  { left: 66, top: 104, right: 92, bottom: 130 },
  { left: 114, top: 104, right: 152, bottom: 132 },
];

describe("the embedded model's files", () => {
  test("stay small: the whole folder comes with every installation", async () => {
    const { textEncoder, unet, vae } = await openCheckpoint(folder);
    const files = [textEncoder, unet, vae].flatMap(({ weights }) => weights.files());
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
    expect(sizes.length).toBe(3);
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(60e6);
  });

  test("hold every large weight in 8 bits with one factor for each output", async () => {
    const { textEncoder, unet, vae } = await openCheckpoint(folder);
    let found = 0;
    for (const { weights } of [textEncoder, unet, vae]) {
      for (const name of weights.names()) {
        const { dtype, shape, length } = weights.get(name)!;
        if (dtype !== "int8") expect(length, name).toBeLessThan(2 * 2 ** 15);
        else {
          expect(weights.get(`${name}.scale`)?.shape, name).toEqual([shape[0], ...shape.slice(1).map(() => 1)]);
          found++;
        }
      }
    }
    expect(found).toBeGreaterThan(200);
  });
});

describe("the embedded model draws", () => {
  let inkling: Inkling;
  let image: ImageEvent;
  let preview: Picture | undefined;
  const fetched = vi.spyOn(globalThis, "fetch");

  beforeAll(async () => {
    inkling = await load(undefined, { device: "cpu" });
    for await (const event of inkling.stream({ prompt: PROMPT, seed: SEED, preview: true })) {
      if (event.type === "step") preview = (event satisfies StepEvent).preview;
      if (event.type === "image") image = event;
    }
  });
  afterAll(async () => inkling?.close());

  test("at its own defaults, without a download", () => {
    const { steps, guidance, sampler } = image.settings;
    expect({ steps, guidance, sampler }).toEqual({ steps: 12, guidance: 4, sampler: "DPM++ 2M" });
    expect([image.image.width, image.image.height]).toEqual([256, 256]);
    expect(image.pixels.data.every(Number.isFinite)).toBe(true);
    expect(fetched).not.toHaveBeenCalled();
  });

  test("what the float16 weights draw", async () => {
    const wanted = await decodePicture(await readFile(reference), "the reference");
    expect(psnr(image.image, wanted)).toBeGreaterThan(40);
  });

  test("a lady whose eyes are blue", () => {
    for (const eye of EYES) expect(blueShare(image.image, eye)).toBeGreaterThan(0.2);
    // Nothing else in this picture is blue.
    expect(blueShare(image.image, { left: 0, top: 0, right: 256, bottom: 256 })).toBeLessThan(0.02);
  });

  test("a preview in the picture's colours", () => {
    const { width, height, data } = preview!;
    expect([width, height]).toEqual([32, 32]);
    expect(psnr({ width, height, data }, shrunk(image.image, 8))).toBeGreaterThan(18);
  });
});

interface Field {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The part of a field's pixels that are a clear blue. */
function blueShare({ width, data }: Picture, { left, top, right, bottom }: Field): number {
  let blue = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const [r, g, b] = data.subarray((y * width + x) * 3) as unknown as [number, number, number];
      if (b > 180 && b - r > 90 && b - g > 50) blue++;
    }
  }
  return blue / ((right - left) * (bottom - top));
}

/** Decibels between two 8-bit pictures. */
function psnr(a: Picture, b: Picture): number {
  expect(a.data.length).toBe(b.data.length);
  const sum = a.data.reduce((total, x, i) => total + (x - b.data[i]!) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.data.length) / sum);
}

/** Each pixel the mean of `times` × `times`. */
function shrunk({ width, height, data }: Picture, times: number): Picture {
  const [w, h] = [width / times, height / times];
  const sums = new Float64Array(w * h * 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    sums[(Math.floor(y / times) * w + Math.floor(x / times)) * 3 + (i % 3)]! += data[i]! / times ** 2;
  }
  return { width: w, height: h, data: Uint8Array.from(sums, Math.round) };
}
