import { describe, expect, test } from "vitest";
import { createClipTokenizer, createGpt2Tokenizer, readTokenizerConfig } from "../../src/text/index.ts";
import { exists, list, need, readJson, readTensors, readText } from "../support/fixtures.ts";

type Vocab = Record<string, number>;

interface ClipText {
  text: string;
  ids: number[];
  decoded: string;
  ids77?: number[];
  sd2_ids?: number[];
  sd2_ids77?: number[];
}

interface ClipFixture {
  start: number;
  end: number;
  max_length: number;
  padded: { text: string; tokenizer: string; ids: number[]; mask: number[] }[];
  texts: ClipText[];
}

interface Decoded {
  ids: number[];
  decoded: string;
}

function clipFrom(...folder: string[]) {
  const files = {
    merges: readText(...folder, "merges.txt"),
    vocab: readJson<Vocab>(...folder, "vocab.json"),
    tokenizerConfig: readJson<unknown>(...folder, "tokenizer_config.json"),
    specialTokensMap: readJson<unknown>(...folder, "special_tokens_map.json"),
  };
  return createClipTokenizer({ ...files, ...readTokenizerConfig(files) });
}

describe("CLIP's tokenizer", () => {
  const fixture = readJson<ClipFixture>("tokenizers", "clip.json");
  const tokenizers = { clip: clipFrom("tokenizers", "clip"), "clip-sd2": clipFrom("tokenizers", "clip-sd2") };
  const { clip, "clip-sd2": sd2 } = tokenizers;
  const { start, end, max_length: maxLength } = fixture;
  const cut = (ids: number[]) => (ids.length > maxLength ? [...ids.slice(0, maxLength - 1), end] : ids);

  test("has the ids of its special tokens", () => {
    const { pad_token: pad } = readJson<{ pad_token: string }>("tokenizers", "clip-sd2", "special_tokens_map.json");
    for (const tokenizer of Object.values(tokenizers)) {
      expect([tokenizer.bosId, tokenizer.eosId, tokenizer.maxLength]).toEqual([start, end, maxLength]);
    }
    expect(clip.padId).toBe(end);
    expect(sd2.token(sd2.padId)).toBe(pad);
  });

  test("derives its vocabulary from the merges", () => {
    const vocab = readJson<Vocab>("tokenizers", "clip", "vocab.json");
    const derived = createClipTokenizer({ merges: readText("tokenizers", "clip", "merges.txt") });
    const tokens = Array.from({ length: derived.vocabSize }, (_, id) => [derived.token(id), id]);
    expect(Object.fromEntries(tokens)).toEqual(vocab);
  });

  test("gives every text its ids, and the ids their text", () => {
    expect(fixture.texts.length).toBeGreaterThan(0);
    for (const { text, ids, decoded } of fixture.texts) {
      expect(clip.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(clip.decode(ids), JSON.stringify(text)).toBe(decoded);
    }
  });

  test("takes Stable Diffusion 2's pad token out of the text first", () => {
    expect(fixture.texts.some((t) => t.sd2_ids)).toBe(true);
    for (const { text, ids, sd2_ids } of fixture.texts) {
      expect(sd2.encode(text), JSON.stringify(text)).toEqual(sd2_ids ?? ids);
    }
  });

  test("cuts and pads to a row", () => {
    for (const { text, ids, ids77, sd2_ids, sd2_ids77 } of fixture.texts) {
      const one = clip.row(text);
      const used = ids77 ?? ids;
      expect(used).toEqual(cut(ids));
      expect(one.ids).toEqual([...used, ...Array<number>(maxLength - used.length).fill(clip.padId)]);
      expect(one.dropped === "").toBe(ids77 === undefined);
      const two = sd2.row(text);
      expect(two.ids.slice(0, two.mask.lastIndexOf(1) + 1)).toEqual(sd2_ids77 ?? cut(sd2_ids ?? ids));
    }
    expect(fixture.padded.length).toBeGreaterThan(0);
    for (const { text, tokenizer, ids, mask } of fixture.padded) {
      expect(tokenizers[tokenizer as keyof typeof tokenizers].row(text)).toMatchObject({ ids, mask });
    }
  });

  test("decodes single ids", () => {
    const singles = readJson<Decoded[]>("tokenizers", "clip-single-ids.json");
    expect(singles.length).toBeGreaterThan(0);
    for (const { ids, decoded } of singles) expect(clip.decode(ids), `${ids}`).toBe(decoded);
  });
});

describe("GPT-2's tokenizer", () => {
  const fixture = readJson<{ eos: number; texts: (Decoded & { text: string })[]; single_ids: Decoded[] }>(
    "tokenizers",
    "gpt2.json",
  );
  const merges = readText("tokenizers", "gpt2", "merges.txt");
  const vocab = readJson<Vocab>("tokenizers", "gpt2", "vocab.json");
  const gpt2 = createGpt2Tokenizer({ merges, vocab });

  test("derives its vocabulary from the merges", () => {
    const derived = createGpt2Tokenizer({ merges });
    const tokens = Array.from({ length: derived.vocabSize }, (_, id) => [derived.token(id), id]);
    expect(Object.fromEntries(tokens)).toEqual(vocab);
    expect(gpt2.eosId).toBe(fixture.eos);
  });

  test("gives every text its ids, and the ids their text", () => {
    expect(fixture.texts.length).toBeGreaterThan(0);
    for (const { text, ids, decoded } of fixture.texts) {
      expect(gpt2.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(gpt2.decode(ids), JSON.stringify(text)).toBe(decoded);
    }
  });

  test("decodes single ids", () => {
    expect(fixture.single_ids.length).toBeGreaterThan(0);
    for (const { ids, decoded } of fixture.single_ids) expect(gpt2.decode(ids), `${ids}`).toBe(decoded);
  });
});

describe("the checkpoints' tokenizers, cut to a few hundred merges", () => {
  const folders = list("checkpoints").filter((name) => exists("checkpoints", name, "tokenizer", "merges.txt"));
  expect(folders.length).toBeGreaterThan(0);

  test.each(folders)("%s", (name) => {
    const folder = ["checkpoints", name, "tokenizer"];
    const tokenizer = clipFrom(...folder);
    const vocab = readJson<Vocab>(...folder, "vocab.json");
    const size = Object.keys(vocab).length;
    expect(tokenizer.vocabSize).toBe(size);
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([size - 2, size - 1]);
    const derived = createClipTokenizer({ merges: readText(...folder, "merges.txt") });
    for (const [token, id] of Object.entries(vocab)) expect(derived.token(id)).toBe(token);
  });

  const encoded = folders.filter((name) => exists("checkpoints", "reference", name, "stages.safetensors"));
  expect(encoded.length).toBeGreaterThan(0);
  const runs = encoded.flatMap((name) =>
    readJson<{ prompt?: string | string[]; negative_prompt?: string | null }[]>(
      "checkpoints",
      "reference",
      name,
      "runs.json",
    ),
  );
  const texts = {
    cond: runs.flatMap(({ prompt }) => prompt ?? []),
    uncond: [""],
    negative: runs.flatMap(({ negative_prompt }) => negative_prompt ?? []),
  };

  test.each(encoded)("%s: the rows its text encoder was given", (name) => {
    const tokenizer = clipFrom("checkpoints", name, "tokenizer");
    const stages = readTensors("checkpoints", "reference", name, "stages.safetensors");
    for (const [key, candidates] of Object.entries(texts)) {
      const want = Array.from(need(stages, `ids.${key}`).data as BigInt64Array, Number);
      const rows = [...new Set(candidates)].map((text) => tokenizer.row(text).ids);
      expect(rows, `${name}: ids.${key}`).toContainEqual(want);
    }
  });
});
