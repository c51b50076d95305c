/** Drawing from a picture: what is drawn, what is kept, what is refused. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseInfotext } from "../../src/image/index.ts";
import { type DrawnImage, type Inkling, load } from "../../src/pipelines/index.ts";
import { initPicture } from "../../src/pipelines/init-picture.ts";
import { plainCheckpoint, UNET } from "../support/checkpoints.ts";
import { exists, list, path, readJson } from "../support/fixtures.ts";

const small = { prompt: "a lady with blue eyes", width: 64, height: 64, steps: 3, seed: 7 };
const notes: string[] = [];
let inkling: Inkling;
let folder = "";
let first: DrawnImage;

beforeAll(async () => {
  inkling = await load(plainCheckpoint.folder, { device: "cpu", threads: 1, onNote: (line) => notes.push(line) });
  folder = await mkdtemp(join(tmpdir(), "inkling-from-picture-"));
  first = (await inkling.generate(small)).images[0]!;
});
afterAll(async () => {
  await inkling.close();
  await rm(folder, { recursive: true, force: true });
});

/** White on the right half. */
const mask = {
  width: 64,
  height: 64,
  data: Uint8Array.from({ length: 3 * 64 * 64 }, (_, i) => (Math.floor(i / 3) % 64 >= 32 ? 255 : 0)),
};

async function only(drawn: Promise<{ images: DrawnImage[] }>): Promise<DrawnImage> {
  const { images } = await drawn;
  expect(images.length).toBe(1);
  return images[0]!;
}

test("a path, its bytes, its pixels and its numbers draw the same", async () => {
  const file = join(folder, "first.png");
  await first.save(file);
  const asked = { ...small, prompt: "a red house", strength: 0.7 };
  const fromPath = await only(inkling.imageToImage({ ...asked, image: file }));
  const fromPixels = await only(inkling.generate({ ...asked, image: first }));
  const init = await initPicture({ image: first, maskBlur: 0, keepUnmasked: false }, first);
  const fromNumbers = await only(inkling.generate({ ...asked, init }));
  expect(fromPath.data).toEqual(fromPixels.data);
  expect(fromPath.data).toEqual(fromNumbers.data);
  expect(fromPath.data).not.toEqual(first.data);
  expect(fromPath.settings.strength).toBe(0.7);
  expect(parseInfotext(fromPath.infotext).fields.get("Denoising strength")).toBe("0.7");
});

test("strength is the share of the steps that are taken", async () => {
  const steps = async (strength: number) => {
    let taken = 0;
    for await (const event of inkling.stream({ ...small, sampler: "Euler", steps: 10, image: first, strength })) {
      if (event.type === "step") taken++;
    }
    return taken;
  };
  expect([await steps(0.1), await steps(0.55), await steps(1)]).toEqual([1, 5, 10]);
});

test("what the mask keeps is the picture's own, to the last bit, unless that is not wanted", async () => {
  const asked = { ...small, seed: 8, prompt: "a red house", image: first, mask };
  const kept = (data: Uint8Array) => data.filter((_, i) => mask.data[i] === 0);
  const painted = (data: Uint8Array) => data.filter((_, i) => mask.data[i] === 255);
  for (const maskBlur of [0, 4]) {
    const drawn = await only(inkling.inpaint({ ...asked, maskBlur }));
    expect(kept(drawn.data)).toEqual(kept(first.data));
    expect(painted(drawn.data)).not.toEqual(painted(first.data));
    expect(parseInfotext(drawn.infotext).fields.get("Mask blur")).toBe(`${maskBlur}`);
  }
  const raw = await only(inkling.inpaint({ ...asked, keepUnmasked: false }));
  expect(kept(raw.data)).not.toEqual(kept(first.data));
});

test("several pictures from one differ by their seeds; each is what it is alone", async () => {
  const { images } = await inkling.imageToImage({ ...small, image: first, count: 2 });
  const second = await only(inkling.imageToImage({ ...small, image: first, seed: 8 }));
  expect(images[1]!.data).toEqual(second.data);
  expect(images[0]!.data).not.toEqual(second.data);
});

test("the picture's shape is kept, which is said; a size that is asked for cuts it", async () => {
  const image = { width: 90, height: 60, data: new Uint8Array(3 * 90 * 60).fill(200) };
  const { width, height } = inkling.facts.defaults;
  const fitted = inkling.resolve({ prompt: "", image });
  expect(fitted.width / fitted.height).toBeCloseTo(1.5, 0);
  expect(fitted.height).toBe(Math.min(width, height));
  expect(inkling.resolve({ prompt: "", image, width: 64, height: 64 })).toMatchObject({ width: 64, height: 64 });

  notes.length = 0;
  await inkling.imageToImage({ ...small, image, steps: 2 });
  expect(notes).toContain("The picture to start from has 90×60 pixels; it is drawn at 64×64.");
  notes.length = 0;
  await inkling.inpaint({ ...small, image, steps: 2, mask });
  expect(notes).toContain("The mask has 64×64 pixels: it is stretched over the picture's 90×60.");
});

test("an odd number of latent places on a side is drawn too", async () => {
  const image = { width: 72, height: 40, data: new Uint8Array(3 * 72 * 40).fill(99) };
  const drawn = await only(inkling.imageToImage({ prompt: "x", steps: 2, seed: 1, image, width: 72, height: 40 }));
  expect([drawn.width, drawn.height]).toEqual([72, 40]);
});

test.each(["Euler a", "DPM++ 2M", "DPM++ SDE", "Heun", "LMS", "UniPC", "DPM adaptive", "DPM fast", "PLMS", "LCM"])(
  "%s starts from a picture with a mask",
  async (sampler) => {
    for (const strength of [0.2, 0.5]) {
      const drawn = await only(inkling.inpaint({ ...small, steps: 6, sampler, image: first, strength, mask }));
      expect(drawn.data.slice(0, 96)).toEqual(first.data.slice(0, 96));
      expect(drawn.data).not.toEqual(first.data);
    }
  },
);

test("what makes no sense is refused by name", () => {
  const { resolve } = inkling;
  const image = first;
  expect(() => resolve({ prompt: "", strength: 0.5 })).toThrow(/strength is given, but no picture/);
  expect(() => resolve({ prompt: "", mask })).toThrow(/mask is given, but no picture/);
  expect(() => resolve({ prompt: "", image, strength: 1.1 })).toThrow(/strength is 1.1; .* 0 to 1/);
  expect(() => resolve({ prompt: "", image, strength: 0.01, steps: 10 })).toThrow(/none of 10 steps is left/);
  expect(() => resolve({ prompt: "", image, mask, maskBlur: 65 })).toThrow(/mask blur is 65; .* 0 to 64/);
  expect(() => resolve({ prompt: "", image, maskBlur: 4 })).toThrow(/maskBlur/);
});

test("a mask without white is refused before anything is drawn", async () => {
  const black = { ...mask, data: new Uint8Array(mask.data.length) };
  await expect(inkling.inpaint({ ...small, image: first, mask: black })).rejects.toThrow(/black everywhere/);
});

test("an inpainting model wants a picture and a mask, and paints with both", async () => {
  const channels = (name: string) =>
    exists("checkpoints", name, UNET) &&
    readJson<{ in_channels: number }>("checkpoints", name, "unet", "config.json").in_channels;
  const nine = list("checkpoints").find((name) => channels(name) === 9)!;
  const model = await load(path("checkpoints", nine), { device: "cpu", threads: 1 });
  try {
    expect(() => model.resolve(small)).toThrow(/is an inpainting model: .*Give a picture and a mask/);
    expect(() => model.resolve({ ...small, image: first })).toThrow(/none is given/);
    const drawn = await only(model.inpaint({ ...small, image: first, mask }));
    expect(drawn.data.slice(0, 96)).toEqual(first.data.slice(0, 96));
    expect(drawn.data).not.toEqual(first.data);
  } finally {
    await model.close();
  }
});
