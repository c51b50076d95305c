import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Picture } from "../../src/image/index.ts";
import { type Dataset, type Example, isSkipped, type Skipped } from "../../src/training/data/dataset.ts";
import { fitted } from "../../src/training/data/fit.ts";
import { order, type Stop, walk } from "../../src/training/data/walk.ts";
import golden from "../golden/fit.json" with { type: "json" };

const dot: Picture = { width: 1, height: 1, data: new Uint8Array(3) };

/** Examples called 0, 1, 2 …; those in `bad` are unusable. Each tells what chance said. */
function numbered(length: number, bad: readonly number[] = []): Dataset {
  return {
    name: "numbers",
    length,
    at: async (i, { chance } = {}) =>
      bad.includes(i)
        ? { key: `${i}`, skipped: `${i} is bad.` }
        : { key: `${i}`, picture: dot, caption: `${chance?.()}` },
    identify: async (i) => `${i}`,
  };
}

async function take(stops: AsyncGenerator<Stop<Example>>, count: number): Promise<Stop<Example>[]> {
  const taken: Stop<Example>[] = [];
  for await (const stop of stops) if (taken.push(stop) === count) break;
  return taken;
}

describe("order", () => {
  it("holds every place once, another way in every epoch and by every seed", () => {
    const orders = [order(1, 0, 100), order(1, 1, 100), order(2, 0, 100)];
    for (const places of orders)
      expect([...places].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(new Set(orders.map(String)).size).toBe(3);
    expect(order(1, 1, 100)).toEqual(orders[1]);
  });

  it("prefers no place", () => {
    const firsts = new Array<number>(8).fill(0);
    for (let epoch = 0; epoch < 8000; epoch++) firsts[order(3, epoch, 8)[0]!]!++;
    for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

describe("walk", () => {
  it("goes on from a position as if it had never stopped", async () => {
    const dataset = numbered(7, [3]);
    const whole = await take(walk(dataset, { seed: 5 }), 30);
    expect(new Set(whole.slice(0, 6).map(({ example }) => example.key)).size).toBe(6);
    expect(new Set(whole.map(({ example }) => example.caption)).size).toBe(30);
    for (const cut of [1, 6, 17]) {
      const rest = await take(walk(dataset, { seed: 5, position: whole[cut - 1]!.position }), 30 - cut);
      expect(rest).toEqual(whole.slice(cut));
    }
  });

  it("names what it skips, and stops where nothing is usable", async () => {
    const skipped: Skipped[] = [];
    await take(walk(numbered(4, [2]), { seed: 0, onSkip: (what) => skipped.push(what) }), 6);
    expect(skipped).toEqual([
      { key: "2", skipped: "2 is bad." },
      { key: "2", skipped: "2 is bad." },
    ]);
    await expect(take(walk(numbered(2, [0, 1]), { seed: 0 }), 1)).rejects.toThrow(/Nothing in numbers can be used/);
    await expect(take(walk(numbered(0), { seed: 0 }), 1)).rejects.toThrow("There is nothing in numbers.");
  });

  it("heeds the signal", async () => {
    const stop = new AbortController();
    const stops = walk(numbered(3), { seed: 0, signal: stop.signal });
    await stops.next();
    stop.abort(new Error("enough"));
    await expect(stops.next()).rejects.toThrow("enough");
  });
});

describe("fitted", () => {
  const shown = ({ width, height }: { width: number; height: number }): Dataset => {
    const data = Uint8Array.from(
      { length: 3 * width * height },
      (_, i) => (i * i * 31 + i * 7 + Math.floor(i / 97)) % 251,
    );
    const picture = { width, height, data };
    return { ...numbered(1), at: async () => ({ key: "p", picture, caption: "" }) };
  };
  const sha256 = ({ picture }: Example): string => createHash("sha256").update(picture.data).digest("hex");

  it.each(golden.cases)("makes $size² of $width×$height as torchvision does, mirrored too", async (wanted) => {
    const fit = { width: wanted.size, height: wanted.size, flip: true };
    const data = fitted(shown(wanted), fit);
    expect(sha256((await data.at(0)) as Example)).toBe(wanted.sha256);
    expect(sha256((await data.at(0, { chance: () => 0.49 })) as Example)).toBe(wanted.mirrored);
    expect(sha256((await data.at(0, { chance: () => 0.5 })) as Example)).toBe(wanted.sha256);
  });

  it.each([
    ["a cat on the left", false],
    ["the rightmost house, Right behind it a tree", false],
    ["two cats looking leftwards", false],
    ["a bright house with a cleft roof", true],
  ])("mirrors no picture whose caption tells a side: %s", async (caption, mirrored) => {
    const data = shown({ width: 16, height: 16 });
    const told: Dataset = { ...data, at: async (i) => ({ ...((await data.at(i)) as Example), caption }) };
    const seen = async (chance: number): Promise<string> => {
      const flipped = fitted(told, { width: 16, height: 16, flip: true });
      return sha256((await flipped.at(0, { chance: () => chance })) as Example);
    };
    expect((await seen(0.1)) !== (await seen(0.9))).toBe(mirrored);
  });

  it("crops anywhere where it may, and only then", async () => {
    const wide = shown({ width: 64, height: 16 });
    const seen = async (crop: "centre" | "random"): Promise<number> => {
      const cut = fitted(wide, { width: 16, height: 16, crop });
      const all = await Promise.all([0, 0.3, 0.6, 0.99].map((x) => cut.at(0, { chance: () => x })));
      return new Set(all.map((example) => sha256(example as Example))).size;
    };
    expect(await seen("centre")).toBe(1);
    expect(await seen("random")).toBe(4);
  });

  it("covers sizes that are no squares, and names what is too narrow", async () => {
    const { picture } = (await fitted(shown({ width: 30, height: 30 }), { width: 24, height: 16 }).at(0)) as Example;
    expect([picture.width, picture.height, picture.data.length]).toEqual([24, 16, 3 * 24 * 16]);
    const narrow = await fitted(shown({ width: 1, height: 3000 }), { width: 512, height: 512 }).at(0);
    expect(isSkipped(narrow) && narrow.skipped).toBe("p of 1×3000 is too narrow for a crop of 512×512.");
  });

  it("is another thing at every size", async () => {
    const data = shown({ width: 8, height: 8 });
    const fits = [
      { width: 8, height: 8 },
      { width: 8, height: 16 },
      { width: 8, height: 8, flip: true },
    ];
    const names = await Promise.all(fits.map((fit) => fitted(data, fit).identify(0)));
    expect(new Set(names).size).toBe(3);
  });
});
