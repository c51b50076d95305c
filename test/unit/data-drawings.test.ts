import { beforeAll, describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/index.ts";
import type { Box } from "../../src/training/data/boxes.ts";
import type { Example } from "../../src/training/data/dataset.ts";
import { type Art, readArt } from "../../src/training/data/drawings/art.ts";
import {
  combinationsOf,
  type DrawingKind,
  type DrawingsOptions,
  drawingKinds,
  openDrawings,
  planDrawing,
} from "../../src/training/data/drawings/drawings.ts";
import { isHeldOut } from "../../src/training/data/drawings/held-out.ts";
import { difference, type EyeColor, type Paint, palette } from "../../src/training/data/drawings/palette.ts";

let art: Art;
beforeAll(async () => {
  art = await readArt();
});

async function drawn(options: DrawingsOptions): Promise<Example[]> {
  const dataset = await openDrawings(options);
  const all: Example[] = [];
  for (let i = 0; i < dataset.length; i++) all.push((await dataset.at(i)) as Example);
  return all;
}

const plans = (split: "train" | "heldout", count: number) =>
  Array.from({ length: count }, (_, i) => planDrawing(art, { seed: 11, split, kinds: drawingKinds }, i).plan);

const colorAt = ({ width, data }: Picture, x: number, y: number): string =>
  [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)].map((v) => v.toString(16).padStart(2, "0")).join("");

const portraits = ["pixel", "lorelei", "bigheads", "faces"] as const satisfies DrawingKind[];

describe("splits of drawings", () => {
  it("never learn a combination that is held out, and hold out nothing else", () => {
    for (const plan of plans("train", 4000)) expect(combinationsOf(plan).filter(isHeldOut)).toEqual([]);
    for (const plan of plans("heldout", 1000)) expect(isHeldOut(combinationsOf(plan)[0]!)).toBe(true);
  });

  it("hold out what the embedded model never saw", () => {
    const among = (paints: readonly string[], noun: string) =>
      paints.filter((paint) => isHeldOut(["paint", noun, paint]));
    const paints = Object.keys(palette.paint);
    expect(["house", "apple", "cat", "umbrella"].map((noun) => among(paints, noun))).toEqual([
      [],
      ["red"],
      [],
      ["blue"],
    ]);
    expect(isHeldOut(["pair", "house", "star"])).toBe(true);
    expect(isHeldOut(["pair", "cat", "dog"])).toBe(false);
    expect([2, 3, 4].filter((n) => isHeldOut(["count", "key", String(n)]))).toEqual([2]);
    const hair = ["black", "brown", "blonde", "red"];
    expect(hair.filter((color) => isHeldOut(["portrait", "woman", color, "green", "pixel"]))).toEqual(["black"]);
  });

  it("hold out about as many combinations as they say", () => {
    const share = (kind: "paint" | "pair" | "portrait", of: readonly string[]) =>
      of.filter((name) => isHeldOut([kind, name, "x"])).length / of.length;
    const names = Array.from({ length: 6000 }, (_, i) => `thing ${i}`);
    expect(Math.abs(share("paint", names) - 1 / 8)).toBeLessThan(0.015);
    expect(Math.abs(share("pair", names) - 1 / 6)).toBeLessThan(0.015);
    expect(Math.abs(share("portrait", names) - 1 / 12)).toBeLessThan(0.015);
  });

  it("hold out some pairs of every colour, and none of a colour alone", () => {
    for (const paint of Object.keys(palette.paint)) {
      const kept = art.objects.filter(({ paint: fill, noun }) => fill && isHeldOut(["paint", noun, paint]));
      expect(kept.length, paint).toBeGreaterThan(10);
      expect(kept.length, paint).toBeLessThan(70);
    }
  });
});

describe("the mix of drawings", () => {
  it("is that of the embedded model", () => {
    const all = plans("train", 8000);
    const share = (holds: (plan: (typeof all)[number]) => boolean) => all.filter(holds).length / all.length;
    expect(Math.abs(share(({ kind }) => kind === "portrait") - 0.45)).toBeLessThan(0.015);
    expect(Math.abs(share((plan) => plan.kind === "portrait" && plan.style === "pixel") - 0.15)).toBeLessThan(0.015);
    expect(Math.abs(share(({ kind }) => kind === "object" || kind === "paint") - 0.32)).toBeLessThan(0.015);
    expect(Math.abs(share(({ kind }) => ["pair", "count", "scene", "size"].includes(kind)) - 0.18)).toBeLessThan(0.015);
    expect(new Set(all.map(({ kind }) => kind)).size).toBe(8);
  });
});

describe("drawings", () => {
  it("are the same for the same seed, whatever the order, and others for another", async () => {
    const options = { count: 12, size: 64, seed: 5 };
    const all = await drawn(options);
    const dataset = await openDrawings(options);
    for (const i of [11, 3, 7]) expect(await dataset.at(i)).toEqual(all[i]);
    expect(await drawn({ ...options, seed: 6 })).not.toEqual(all);
    for (const { picture } of all)
      expect([picture.width, picture.height, picture.data.length]).toEqual([64, 64, 3 * 64 * 64]);
  });

  it("have three captions, one of which is chosen", async () => {
    const dataset = await openDrawings({ count: 3, size: 32 });
    for (let i = 0; i < 3; i++) {
      const { attributes, caption } = (await dataset.at(i)) as Example;
      const captions = attributes!["captions"] as string[];
      expect(new Set(captions).size).toBe(3);
      expect(caption).toBe(captions[0]);
      expect(((await dataset.at(i, { chance: () => 0.99 })) as Example).caption).toBe(captions[2]);
    }
  });

  it("are other things to a cache at another size, seed, place, split or kind", async () => {
    const options: DrawingsOptions[] = [
      { count: 2 },
      { count: 2, size: 64 },
      { count: 2, seed: 1 },
      { count: 2, split: "heldout" },
      { count: 2, kinds: ["paint"] },
    ];
    const names = await Promise.all(
      options.flatMap((each) => [0, 1].map(async (i) => (await openDrawings(each)).identify(i))),
    );
    expect(new Set(names).size).toBe(10);
  });

  it("are told in English", async () => {
    for (const { attributes } of await drawn({ count: 150, size: 16, seed: 2 })) {
      for (const caption of attributes!["captions"] as string[]) {
        expect(caption).not.toMatch(/undefined|null|NaN|[{}]|\ba a\b|\ban an\b|\ba an\b| {2}|^[ ,]|,$|[A-Z]/);
        expect(caption).not.toMatch(/\ba (orange|amber|illustration|ink|owl|apple)\b|\ban (blue|red|green|pixel)\b/);
        expect(caption).not.toMatch(
          /\b(picture|image) of (?!an? |two|three|four|\d)(red|yellow|green|blue|purple|black|white) /,
        );
        expect(caption.split(" ").length).toBeLessThan(32);
      }
    }
  });
});

describe("portraits", () => {
  it.each(portraits)("of the style %s name eyes and hair where they can be seen", async (style) => {
    const people = await drawn({ count: 40, size: 64, seed: 8, kinds: [style] });
    const eyes = people.filter(({ attributes }) => attributes!["eyes"] !== null);
    expect(eyes.length).toBeGreaterThan(20);
    for (const { attributes } of people) {
      const {
        captions,
        eyes: color,
        eyeBox,
        glasses,
        hairColor,
        beard,
        hat,
      } = attributes as Record<string, string | null> & { captions: string[] };
      expect(color === null).toBe(eyeBox === null);
      if (glasses === "sunglasses") expect(color).toBeNull();
      for (const caption of captions) {
        const [, said] = /(\w+)(?: eyes|-eyed)/.exec(caption) ?? [];
        if (said) expect({ grey: "gray", purple: "violet" }[said] ?? said).toBe(color);
        const [, hair] = /((?:dark )?\w+) (?:hair|bob|afro|ponytail|pigtails|mohawk|quiff)\b/.exec(caption) ?? [];
        if (hair && hairColor && hair !== "no") expect(caption).toContain(hairColor);
        if (!beard) expect(caption).not.toMatch(/beard/);
        if (hat && hairColor === null) expect(caption).not.toMatch(/hair|bob\b|pigtails|ponytail/);
        if (!hat) expect(caption).not.toMatch(/\b(hat|cap|beanie|turban)\b/);
      }
    }
  });

  it.each(portraits)("of the style %s have eyes of that colour in their boxes", async (style) => {
    const size = 128;
    for (const { picture, attributes } of await drawn({ count: 14, size, seed: 21, kinds: [style] })) {
      const box = attributes!["eyeBox"] as Box | null;
      if (!box) continue;
      const [left, top, right, bottom] = box;
      expect(0 <= left && left < right && right <= size && 0 <= top && top < bottom && bottom <= size).toBe(true);
      expect((right - left) * (bottom - top)).toBeLessThan(0.2 * size ** 2);
      const wanted = palette.eyes[attributes!["eyes"] as EyeColor];
      let found = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) if (difference(colorAt(picture, x, y), wanted) < 60) found++;
      }
      // Through tinted glasses the colour is another, but the eyes are there.
      if (attributes!["glasses"] === "none") expect(found).toBeGreaterThan(4);
    }
  });
});

describe("things in their places", () => {
  interface Thing {
    readonly noun: string;
    readonly color: Paint | null;
    readonly box: Box;
  }

  it.each(["object", "paint", "pair", "count", "size", "shape"] as const)(
    "of the kind %s lie in their boxes",
    async (kind) => {
      const size = 96;
      for (const { picture, attributes } of await drawn({ count: 12, size, seed: 4, kinds: [kind] })) {
        const { objects, count, background } = attributes as {
          objects: Thing[];
          count: number;
          background: keyof typeof palette.background;
        };
        expect(objects.length).toBe(kind === "pair" ? 2 : count);
        const paper = palette.background[background];
        const inside = (x: number, y: number) =>
          objects.some(({ box: [left, top, right, bottom] }) => x >= left && x < right && y >= top && y < bottom);
        for (let y = 0; y < size; y++) {
          for (let x = 0; x < size; x++) if (!inside(x, y)) expect(colorAt(picture, x, y)).toBe(paper);
        }
        for (const { box, color } of objects) {
          const [left, top, right, bottom] = box;
          const colors: string[] = [];
          for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) colors.push(colorAt(picture, x, y));
          const drawnOn = colors.filter((each) => difference(each, paper) > 20);
          expect(drawnOn.length).toBeGreaterThan(0.04 * colors.length);
          // Of what is thin, each pixel is half background.
          if (color && Math.min(right - left, bottom - top) > 40) {
            // Shades of a paint are lighter and darker than it.
            const like = drawnOn.filter((each) => difference(each, palette.paint[color]) < 150);
            expect(like.length / drawnOn.length, `${color} ${attributes!["captions"]}`).toBeGreaterThan(0.4);
          }
        }
      }
    },
  );

  it("are where their relation says", async () => {
    for (const { attributes } of await drawn({ count: 40, size: 48, seed: 9, kinds: ["pair"] })) {
      const { objects, relation } = attributes as { objects: [Thing, Thing]; relation: string };
      const [a, b] = objects.map(
        ({ box: [left, top, right, bottom] }) => [(left + right) / 2, (top + bottom) / 2] as const,
      ) as [readonly [number, number], readonly [number, number]];
      if (relation === "left") expect(a[0]).toBeLessThan(b[0] - 12);
      if (relation === "right") expect(a[0]).toBeGreaterThan(b[0] + 12);
      if (relation === "above") expect(a[1]).toBeLessThan(b[1] - 12);
      if (relation === "below") expect(a[1]).toBeGreaterThan(b[1] + 12);
      if (relation === "next to") expect(Math.abs(a[0] - b[0])).toBeGreaterThan(12);
    }
  });

  it("stand in scenes that are told of", async () => {
    for (const { attributes } of await drawn({ count: 20, size: 32, seed: 1, kinds: ["scene"] })) {
      const { scene, background, captions } = attributes as { scene: string; background: null; captions: string[] };
      expect(background).toBeNull();
      expect(scene.length).toBeGreaterThan(0);
      for (const caption of captions) expect(caption).toMatch(/ (in|on|at|near) /);
    }
  });
});

describe("the drawings of the package", () => {
  it("are what the generator asks for", async () => {
    expect(art.objects.length).toBeGreaterThan(500);
    expect(art.objects.filter(({ paint }) => paint).length).toBeGreaterThan(250);
    expect(new Set(art.objects.map(({ noun }) => noun)).size).toBe(art.objects.length);
    // Every variant that a style may choose is there: an unknown one throws.
    for (const kind of portraits) {
      for (let i = 0; i < 400; i++) {
        const { plan } = planDrawing(art, { seed: 3, split: "train", kinds: [kind] }, i);
        if (plan.kind !== "portrait") throw new Error("A portrait was asked for.");
        for (const [slot, variant] of Object.entries(plan.choice.parts)) {
          expect(Object.keys(art.portraits[kind].parts[slot] ?? {}), slot).toContain(variant);
        }
      }
    }
  });
});
