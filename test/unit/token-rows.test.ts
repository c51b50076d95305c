import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Gpt2Tokenizer } from "../../src/text/index.ts";
import {
  isSkipped,
  type Places,
  packedRows,
  rowBatch,
  type Text,
  textRows,
  textsOf,
} from "../../src/training/index.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-texts-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const END = 99;

/** A token a letter, a = 1. */
const tokenizer = {
  eosId: END,
  encode: (text: string) => Array.from(text, (letter) => letter.charCodeAt(0) - 96),
} as Gpt2Tokenizer;

const texts = (...all: string[]): Places<Text> => ({
  name: "letters",
  length: all.length,
  at: async (i) => (all[i] === "" ? { key: `${i}`, skipped: "empty" } : { key: `${i}`, text: all[i]! }),
});

async function all<T extends object>(places: Places<T>): Promise<T[]> {
  const found: T[] = [];
  for (let i = 0; i < places.length; i++) {
    const one = await places.at(i);
    if (!isSkipped(one)) found.push(one);
  }
  return found;
}

const noPictures = async (): Promise<never> => {
  throw new Error("There are no pictures here.");
};

describe("texts", () => {
  it("are the lines of a file, without those that say nothing", async () => {
    await writeFile(join(folder, "a.txt"), "one\r\n\n  two words \n");
    const found = await all(await textsOf(join(folder, "a.txt"), noPictures));
    expect(found).toEqual([
      { key: "a.txt:1", text: "one" },
      { key: "a.txt:3", text: "two words" },
    ]);
  });

  it("are those of all files of a folder, of a .jsonl what its objects say, the bad lines named", async () => {
    await mkdir(join(folder, "inside"));
    await writeFile(join(folder, "b.jsonl"), '{"prompt":"three"}\nno json\n{"caption":["four","five"]}\n');
    await writeFile(join(folder, "inside", "c.txt"), "six");
    const places = await textsOf(folder, noPictures);
    expect((await all(places)).map(({ text }) => text)).toEqual(["three", "four", "five", "six"]);
    expect(await places.at(1)).toMatchObject({ skipped: expect.stringContaining("line 2 is no JSON") });
  });

  it("are refused by their name where there are none, or they cannot be read", async () => {
    await writeFile(join(folder, "empty.txt"), "\n \n");
    await writeFile(join(folder, "latin.txt"), Uint8Array.of(0x61, 0xe9, 0x0a));
    await expect(textsOf(join(folder, "empty.txt"), noPictures)).rejects.toThrow("There is no text in");
    await expect(textsOf(join(folder, "latin.txt"), noPictures)).rejects.toThrow("latin.txt is not UTF-8");
  });

  it("are what is said of pictures where there are some", async () => {
    await writeFile(join(folder, "a.png"), "");
    await writeFile(join(folder, "a.txt"), "beside a picture");
    const pictures = { name: "p", length: 1, at: async () => ({ key: "k", caption: "said" }) as never };
    const places = await textsOf(folder, async () => ({ ...pictures, identify: async () => "" }));
    expect(await all(places)).toEqual([{ key: "k", text: "said" }]);
  });
});

describe("rows", () => {
  it("hold a text each, its end before it half of the time, and are cut where they are too long", async () => {
    const rows = textRows(texts("ab", "", "abcdefg"), tokenizer, 5);
    expect((await all(rows)).map(({ ids }) => ids)).toEqual([
      [END, 1, 2, END],
      [END, 1, 2, 3, 4],
    ]);
    expect(await rows.at(2, { chance: () => 0.4 })).toMatchObject({ ids: [1, 2, 3, 4, 5] });
    expect(await rows.at(0, { chance: () => 0.4 })).toMatchObject({ ids: [1, 2, END] });
    expect(await rows.at(0, { chance: () => 0.6 })).toMatchObject({ ids: [END, 1, 2, END] });
  });

  it("packed hold all tokens of all texts", async () => {
    const rows = await packedRows(texts("ab", "", "cdef"), tokenizer, 4);
    expect((await all(rows)).map(({ ids }) => ids)).toEqual([
      [END, 1, 2, END],
      [3, 4, 5, 6],
    ]);
    expect((await all(await packedRows(texts("ab", "cde"), tokenizer, 4))).map(({ ids }) => ids)).toEqual([
      [END, 1, 2, END],
      [3, 4, 5, END],
    ]);
    await expect(packedRows(texts(""), tokenizer, 4)).rejects.toThrow("Nothing in letters can be used");
  });

  it("of a batch are padded, and padding weighs nothing", () => {
    const { ids, weights } = rowBatch(
      [
        [END, 1, 2, END],
        [END, 3],
      ],
      5,
      END,
    );
    expect(Array.from(ids.data, Number)).toEqual([END, 1, 2, END, END, END, 3, END, END, END]);
    // Four tokens of eight places are told: each counts twice, so that the mean over all is theirs.
    expect(Array.from(weights.data)).toEqual([2, 2, 2, 0, 2, 0, 0, 0]);
    expect(weights.shape).toEqual([2, 4, 1]);
  });
});
