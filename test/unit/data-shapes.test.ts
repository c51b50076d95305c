import { describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/index.ts";
import { chanceOf } from "../../src/training/data/chance.ts";
import type { Chance, Example } from "../../src/training/data/dataset.ts";
import { judgeShape } from "../../src/training/data/shape-judge.ts";
import {
  type ShapesOptions,
  type ShapeTruth,
  shapeColors,
  shapePairs,
  shapes,
} from "../../src/training/data/shapes.ts";

async function drawn(options: ShapesOptions): Promise<{ picture: Picture; caption: string; truth: ShapeTruth }[]> {
  const dataset = shapes(options);
  const all: Example[] = [];
  for (let i = 0; i < dataset.length; i++) all.push((await dataset.at(i, { chance: chanceOf(9, i) })) as Example);
  return all.map(({ picture, caption, attributes }) => ({ picture, caption, truth: attributes as ShapeTruth }));
}

describe("pairs of colour and shape", () => {
  it("are held out so that each colour and each shape is learnt with others", () => {
    const [learnt, heldOut] = [shapePairs(), shapePairs({ split: "heldout" })];
    expect([learnt.length, heldOut.length]).toEqual([30, 6]);
    const names = (pairs: typeof learnt) => pairs.map(({ color, shape }) => `${color} ${shape}`);
    expect(new Set([...names(learnt), ...names(heldOut)]).size).toBe(36);
    expect(new Set(heldOut.map(({ color }) => color)).size).toBe(6);
    expect(new Set(heldOut.map(({ shape }) => shape)).size).toBe(6);
    const few = { colors: ["red", "blue", "green"], shapes: ["circle", "square"] } as const;
    expect(shapePairs({ ...few, split: "heldout" })).toHaveLength(2);
    expect(shapePairs(few)).toHaveLength(4);
  });

  it("of the held-out split never appear in the other, in picture or words", async () => {
    const heldOut = shapePairs({ split: "heldout" }).map(({ color, shape }) => `${color} ${shape}`);
    const learnt = await drawn({ count: 2000, size: 16 });
    for (const { caption, truth } of learnt) {
      expect(heldOut).not.toContain(`${truth.color} ${truth.shape}`);
      expect(heldOut.filter((pair) => caption.includes(pair))).toEqual([]);
      // Now and then only one of the two is said.
      const said = [`${truth.color} ${truth.shape}`, truth.shape, `${truth.color} shape`];
      expect(
        said.some((words) => caption.includes(words)),
        caption,
      ).toBe(true);
    }
    expect(new Set(learnt.map(({ truth }) => `${truth.color} ${truth.shape}`)).size).toBe(30);
    const kept = await drawn({ count: 300, size: 16, split: "heldout" });
    for (const { truth } of kept) expect(heldOut).toContain(`${truth.color} ${truth.shape}`);
  });
});

describe("drawings of shapes", () => {
  it("are the same for the same seed, and as large as their boxes", async () => {
    const [one, same, other] = [
      await drawn({ count: 20, size: 32, seed: 4 }),
      await drawn({ count: 20, size: 32, seed: 4 }),
      await drawn({ count: 20, size: 32, seed: 5 }),
    ];
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    for (const { picture, truth } of one) {
      const [left, top, right, bottom] = truth.box;
      const paper = picture.data.subarray(0, 3);
      const inked: (readonly [number, number])[] = [];
      for (let i = 0; i < 32 * 32; i++) {
        const differs = [0, 1, 2].some((c) => picture.data[3 * i + c] !== paper[c]);
        if (differs) inked.push([i % 32, Math.floor(i / 32)]);
      }
      const [across, down] = [inked.map(([x]) => x), inked.map(([, y]) => y)];
      expect([left, top]).toEqual([Math.min(...across), Math.min(...down)]);
      expect([right, bottom]).toEqual([Math.max(...across) + 1, Math.max(...down) + 1]);
    }
  });

  it("are other things to a cache at another size, seed, place or set of pairs", async () => {
    const options: ShapesOptions[] = [
      { count: 2 },
      { count: 2, size: 32 },
      { count: 2, seed: 1 },
      { count: 2, split: "heldout" },
      { count: 2, backgrounds: ["white"] },
    ];
    const names = await Promise.all(options.flatMap((each) => [0, 1].map((i) => shapes(each).identify(i))));
    expect(new Set(names).size).toBe(10);
    expect(await shapes({ count: 9 }).identify(1)).toBe(names[1]);
  });
});

describe("the judge of shapes", () => {
  const right = ({ picture, truth }: { picture: Picture; truth: ShapeTruth }): boolean => {
    const { color, shape, background } = judgeShape(picture);
    return color === truth.color && shape === truth.shape && background === truth.background;
  };

  it.each([
    { size: 64, split: "train", noise: 0, blurs: 0 },
    { size: 64, split: "heldout", noise: 20, blurs: 1 },
    { size: 32, split: "train", noise: 12, blurs: 0 },
    { size: 32, split: "heldout", noise: 0, blurs: 1 },
  ] as const)("names at least 98% at $size px, noise $noise, blur $blurs", async ({ size, split, noise, blurs }) => {
    const all = await drawn({ count: 200, size, split, seed: 77 });
    const chance = chanceOf(1, size);
    const seen = all.map(({ picture, truth }) => ({ picture: noisy(blurred(picture, blurs), noise, chance), truth }));
    expect(seen.filter(right).length).toBeGreaterThanOrEqual(196);
  });

  it("sees another colour and another shape when they are other", async () => {
    const [circle] = await drawn({ count: 1, colors: ["red"], shapes: ["circle", "square"], backgrounds: ["white"] });
    expect(judgeShape(circle!.picture)).toEqual({ color: "red", shape: circle!.truth.shape, background: "white" });
    const swapped = circle!.picture.data.map((_, i, data) => data[3 * Math.floor(i / 3) + ((i + 2) % 3)]!);
    expect(judgeShape({ ...circle!.picture, data: swapped }).color).not.toBe("red");
  });

  it("names nothing in what is no shape: plain, noise, patches, two shapes", async () => {
    const chance = chanceOf(2);
    const size = 48;
    const plain = (value: number): Picture => ({
      width: size,
      height: size,
      data: new Uint8Array(3 * size ** 2).fill(value),
    });
    expect(judgeShape(plain(250))).toEqual({ background: "white" });
    let named = 0;
    for (let i = 0; i < 60; i++) {
      // Colour noise from fine to coarse, as networks that learnt nothing draw it.
      const { color, shape } = judgeShape(blurred(noisy(plain(128), 110, chance), i % 6));
      if (color && shape) named++;
    }
    expect(named).toBeLessThanOrEqual(3);
    const small = { count: 1, size: size / 2, backgrounds: ["white"] } as const;
    const [one] = await drawn({ ...small, colors: ["red", "blue"], shapes: ["square", "cross"] });
    const [two] = await drawn({ ...small, colors: ["green", "yellow"], shapes: ["circle", "ring"] });
    const both = plain(250);
    for (let i = 0; i < (3 * size ** 2) / 4; i++) {
      const at = 3 * size * Math.floor(i / (1.5 * size)) + (i % (1.5 * size));
      both.data[at] = one!.picture.data[i]!;
      both.data[at + 1.5 * size * (size + 1)] = two!.picture.data[i]!;
    }
    expect(judgeShape(both)).toEqual({ background: "white" });
    both.data.fill(250, both.data.length / 2);
    expect(judgeShape(both)).toMatchObject({ color: one!.truth.color, shape: one!.truth.shape });
  });

  it("wants squares", () => {
    expect(() => judgeShape({ width: 2, height: 1, data: new Uint8Array(6) })).toThrow(
      "A picture of 2×1 is not square.",
    );
  });

  it("knows colours that are far enough apart to be told", () => {
    const all = Object.values(shapeColors);
    for (const a of all) {
      for (const b of all) {
        if (a !== b) expect(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])).toBeGreaterThan(80);
      }
    }
  });
});

/** Each pixel the mean of its neighbourhood, some times over. */
function blurred(picture: Picture, times: number): Picture {
  if (times === 0) return picture;
  const { width, height, data } = picture;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const near: number[] = [];
        for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
          for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++)
            near.push(data[3 * (v * width + u) + c]!);
        }
        out[3 * (y * width + x) + c] = near.reduce((a, b) => a + b) / near.length;
      }
    }
  }
  return blurred({ width, height, data: out }, times - 1);
}

/** With normal noise of a deviation (Box & Muller 1958). */
function noisy(picture: Picture, deviation: number, chance: Chance): Picture {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
  return { ...picture, data: new Uint8Array(Uint8ClampedArray.from(picture.data, (v) => v + deviation * normal())) };
}
