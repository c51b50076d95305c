import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createClipTokenizer, createGpt2Tokenizer, readTokenizerConfig } from "../../src/text/index.ts";
import { mergeSymbols } from "../../src/text/merge.ts";

const merges = readFileSync(new URL("../../assets/clip/merges.txt", import.meta.url), "utf8");
const clip = createClipTokenizer({ merges });

describe("merging symbols", () => {
  /** What the papers describe: the best pair of all, every occurrence from the left, again and again. */
  function byScanning(symbols: number[], rank: (a: number, b: number) => number | undefined, products: number[]) {
    const word = [...symbols];
    for (;;) {
      let best = -1;
      for (let i = 0; i + 1 < word.length; i++) {
        const here = rank(word[i]!, word[i + 1]!);
        if (here !== undefined && (best < 0 || here < rank(word[best]!, word[best + 1]!)!)) best = i;
      }
      if (best < 0) return word;
      word.splice(best, 2, products[rank(word[best]!, word[best + 1]!)!]!);
    }
  }

  test("agrees with scanning for the best pair", () => {
    const pairs = [
      [0, 1],
      [1, 1],
      [3, 4],
      [0, 0],
      [5, 2],
      [6, 6],
      [2, 0],
    ] as const;
    const ranks = new Map(pairs.map(([a, b], rank) => [`${a} ${b}`, rank]));
    const products = pairs.map((_, rank) => rank + 3);
    const rank = (a: number, b: number) => ranks.get(`${a} ${b}`);
    for (let seed = 1; seed < 400; seed++) {
      const word = Array.from({ length: seed % 23 }, (_, i) => Math.floor((seed * 7919 * (i + 1)) / 13) % 3);
      expect(mergeSymbols([...word], rank, products)).toEqual(byScanning(word, rank, products));
    }
  });
});

describe("CLIP's tokenizer", () => {
  test("says what did not fit in a row", () => {
    const words = Array.from({ length: 80 }, (_, i) => (i < 75 ? "word" : "more"));
    expect(clip.row(words.slice(0, 75).join(" ")).dropped).toBe("");
    const { ids, mask, dropped } = clip.row(words.join(" "));
    expect(dropped).toBe("more more more more more");
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([77, clip.bosId, clip.eosId]);
    expect(mask).not.toContain(0);
  });

  test("keeps special tokens when asked", () => {
    const ids = clip.encode("a cat");
    expect(clip.decode(ids)).toBe("a cat");
    expect(clip.decode(ids, { keepSpecial: true })).toBe("<|startoftext|>a cat <|endoftext|>");
  });

  test("is not misled by words that objects inherit", () => {
    expect(clip.decode(clip.encode("constructor __proto__ toString"))).toBe("constructor __ proto __ tostring");
  });

  test("repeats itself however much it has seen in between", () => {
    const before = clip.encode("xqzjvkw");
    for (let i = 0; i < 20_000; i++) clip.encode(`w${i.toString(36)}`);
    expect(clip.encode("xqzjvkw")).toEqual(before);
  });

  test("takes time in proportion to the text", () => {
    for (const text of ["word ".repeat(10_000), "x".repeat(100_000), " ".repeat(100_000), "</w>".repeat(20_000)]) {
      const start = performance.now();
      clip.decode(clip.encode(text));
      // A quadratic step would take minutes here; the bound is wide because test machines are busy.
      expect(performance.now() - start).toBeLessThan(2_000);
    }
  });

  test("says what is wrong with its files", () => {
    expect(() => createClipTokenizer({ merges: "#version: 0.2\na b\na b c\n" })).toThrow(/Line 3 .*two symbols/);
    expect(() => createClipTokenizer({ merges: "a zz\n" })).toThrow(/a zz .*vocabulary lacks/);
    const vocab = { a: 0, "b</w>": 1, "<|startoftext|>": 2, "<|endoftext|>": 3 };
    const unfitting = createClipTokenizer({ merges: "a b</w>\n", vocab });
    expect(() => unfitting.encode("ab")).toThrow(/a b<\/w> .*vocabulary lacks/);
    const padToken = { content: "<pad>", normalized: false };
    expect(() => createClipTokenizer({ merges, padToken })).toThrow(/no token "<pad>"/);
    expect(() => clip.token(clip.vocabSize)).toThrow(/There is no token 49408/);
    expect(() => clip.decode([-1])).toThrow(/There is no token -1/);
  });
});

describe("a tokenizer's configuration", () => {
  const described = (content: string, normalized: boolean) => ({ content, normalized, lstrip: false });
  const eos = "<|endoftext|>";

  test("is CLIP's own where there is none", () => {
    expect(readTokenizerConfig({}).padToken.content).toBe(eos);
    expect(readTokenizerConfig({}).maxLength).toBe(77);
    expect(readTokenizerConfig({ tokenizerConfig: { model_max_length: 1e30 } }).maxLength).toBe(77);
    expect(readTokenizerConfig({ tokenizerConfig: { model_max_length: 64 } }).maxLength).toBe(64);
  });

  test("takes the pad token of special_tokens_map.json before tokenizer_config.json's", () => {
    const tokenizerConfig = { pad_token: eos };
    expect(readTokenizerConfig({ tokenizerConfig, specialTokensMap: { pad_token: "!" } }).padToken.content).toBe("!");
    expect(readTokenizerConfig({ tokenizerConfig: { pad_token: "!" } }).padToken.content).toBe("!");
    const specialTokensMap = { pad_token: described("!", false) };
    expect(readTokenizerConfig({ tokenizerConfig, specialTokensMap }).padToken.content).toBe("!");
  });

  test("needs no special_tokens_map.json where tokenizer_config.json lists the tokens", () => {
    const tokenizerConfig = { pad_token: eos, added_tokens_decoder: { "49407": described(eos, true) } };
    const { padToken } = readTokenizerConfig({ tokenizerConfig, specialTokensMap: { pad_token: "!" } });
    expect(padToken).toEqual({ content: eos, normalized: true });
  });

  test.each([
    // eos, unk, pad; s: written as a string, d: described as normalised. Whether transformers then lower-cases first.
    ["s", "s", "d", true],
    ["d", "s", "d", false],
    ["d", "s", "s", false],
    ["d", "d", "d", true],
    ["s", "d", "s", true],
    ["d", "d", "s", false],
  ])("finds <|ENDOFTEXT|> with eos, unk, pad written %s, %s, %s: %s", (eosForm, unkForm, padForm, found) => {
    const write = (form: string) => (form === "s" ? eos : described(eos, true));
    const specialTokensMap = { eos_token: write(eosForm), unk_token: write(unkForm), pad_token: write(padForm) };
    const tokenizer = createClipTokenizer({ merges, ...readTokenizerConfig({ specialTokensMap }) });
    const ids = tokenizer.encode("a <|ENDOFTEXT|>").slice(1, -1);
    expect(ids.includes(tokenizer.eosId)).toBe(found);
    expect(tokenizer.encode("a <|endoftext|>").slice(1, -1)).toContain(tokenizer.eosId);
  });
});

test("GPT-2's tokenizer gives back any text", () => {
  const gpt2 = createGpt2Tokenizer({ merges: "#version: 0.2\nh e\nĠ t\nĠt he\n" });
  expect(gpt2.vocabSize).toBe(256 + 3 + 1);
  expect(gpt2.encode(" the").map(gpt2.token)).toEqual(["Ġthe"]);
  for (const text of ["the  the\n\n the 'll <|endoftext|> the", "\ufeffé\u0000😀 猫", ""]) {
    expect(gpt2.decode(gpt2.encode(text))).toBe(text);
  }
  expect(() => gpt2.decode([260])).toThrow(/There is no token 260/);
});
