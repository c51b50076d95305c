/** Prompt syntax: every table of fixtures/prompts, and what weights do to the rows that the text encoder answers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emphasis, emphasize } from "../../src/pipelines/emphasis.ts";
import { type OpenModel, open } from "../../src/pipelines/inkling.ts";
import { float32, int64, type Tensor } from "../../src/tensor/index.ts";
import {
  chunkPrompt,
  parseAttention,
  parseComposition,
  parseSchedule,
  readPrompt,
  scheduleOf,
} from "../../src/text/index.ts";
import { expectClose, expectCloseStd } from "../support/compare.ts";
import { need, path, readJson, readTensors } from "../support/fixtures.ts";

type Weighted = [text: string, weight: number];

describe("attention", () => {
  const cases = readJson<{ text: string; parsed: Weighted[] }[]>("prompts", "attention.json");
  test.each(cases.map((c) => [c.text, c] as const))("%j", (_, { text, parsed }) => {
    const got = parseAttention(text);
    expect(got.map((fragment) => fragment.text)).toEqual(parsed.map(([words]) => words));
    for (const [i, [, weight]] of parsed.entries()) expectClose([got[i]!.weight], [weight], 1e-9);
    expect(got.map(({ isBreak }) => isBreak)).toEqual(parsed.map(([, weight]) => weight === -1));
  });
});

describe("schedules", () => {
  const { steps, cases } = readJson<{ steps: number; cases: { text: string; schedule: [number, string][] }[] }>(
    "prompts",
    "schedules.json",
  );
  test.each(cases.map((c) => [c.text, c] as const))("%j", (_, { text, schedule }) => {
    expect(scheduleOf(parseSchedule(text), steps).map(({ until, text }) => [until, text])).toEqual(schedule);
    const [part, ...others] = readPrompt(text, { steps });
    expect(others).toEqual([]);
    expect(part!.stages.map(({ until, text }) => [until, text])).toEqual(schedule);
  });
});

describe("composition", () => {
  const cases = readJson<{ text: string; parts: Weighted[] }[]>("prompts", "composition.json");
  test.each(cases.map((c) => [c.text, c] as const))("%j", (_, { text, parts }) => {
    const got = parseComposition(text);
    expect(got.map((part) => [part.text, part.weight])).toEqual(parts);
    for (const part of got) expect(text.slice(part.at, part.at + part.text.length)).toBe(part.text);
  });
});

interface Chunked {
  /** `<checkpoint>.<prompt>.comma<tokens>` */
  key: string;
  prompt: string;
  parsed: Weighted[];
  ids: number[][];
  rows: number;
}

const chunked = readJson<Chunked[]>("prompts", "chunks.json").map((c) => {
  const [, checkpoint, , backtrack] = /^(.+)\.(\d+)\.comma(\d+)$/.exec(c.key)!;
  return { ...c, checkpoint: checkpoint!, backtrack: Number(backtrack) };
});
const stored = readTensors("prompts", "chunks.safetensors");
const compared = new Set<string>();

/** The names of the fixtures, how each is reached here, and how far off it may be. */
const kinds: Readonly<Record<string, readonly [Emphasis, number]>> = {
  plain: ["off", 2e-5],
  restored: ["original", 1e-4],
  no_norm: ["no-norm", 2e-5],
  joined: ["joined", 1e-4],
  from_empty: ["from-empty", 2e-5],
};

describe.each([...new Set(chunked.map(({ checkpoint }) => checkpoint))])("rows of %s", (checkpoint) => {
  let model: OpenModel;
  beforeAll(async () => {
    model = await open(path("checkpoints", checkpoint), { device: "cpu", threads: 1 });
  });
  afterAll(() => model.runtime.close());

  const encode = async (rows: readonly (readonly number[])[]): Promise<Float32Array[]> => {
    const length = rows[0]!.length;
    const { data } = await model.networks.encodeText(int64([rows.length, length], rows.flat()), 0);
    const size = data.length / rows.length;
    return rows.map((_, i) => data.slice(i * size, (i + 1) * size));
  };

  const own = chunked.filter((c) => c.checkpoint === checkpoint);
  test.each(own.map((c) => [c.key, c] as const))("%s", async (_, { key, prompt, parsed, ids, rows, backtrack }) => {
    const fragments = parseAttention(prompt);
    expect(fragments.map(({ text }) => text)).toEqual(parsed.map(([text]) => text));
    const got = chunkPrompt(fragments, model.tokenizer, { backtrack });
    expect(got.map((row) => row.ids)).toEqual(ids);
    expect(got.length).toBe(rows);
    const weights = float32(
      [rows, model.tokenizer.maxLength],
      got.flatMap((row) => row.weights),
    );
    expect(weights).toEqual(need(stored, `${key}.weights`));
    compared.add(`${key}.weights`);

    const embeddings = await encode(ids);
    const [empty] = await encode([model.tokenizer.row("").ids]);
    for (const [kind, [emphasis, tolerance]] of Object.entries(kinds)) {
      const want = stored.get(`${key}.${kind}`) as Tensor<"float32"> | undefined;
      if (!want) continue;
      const [found] = emphasize([got.map((row, i) => ({ ...row, embedding: embeddings[i]! }))], emphasis, empty);
      expectCloseStd(Float32Array.from(found!.flatMap((row) => [...row])), want.data, tolerance, kind);
      compared.add(`${key}.${kind}`);
    }
  });
});

test("every tensor was compared with", () => expect([...compared].sort()).toEqual([...stored.keys()].sort()));
