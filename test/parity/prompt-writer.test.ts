/** The prompt writer against transformers' generate, through the library. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPromptWriter, type PromptWriter, writePrompts } from "../../src/pipelines/index.ts";
import { createGpt2Tokenizer, type Gpt2Tokenizer } from "../../src/text/index.ts";
import { readTokenizer } from "../../src/weights/index.ts";
import { path, readJson } from "../support/fixtures.ts";

let writer: PromptWriter;
let tokenizer: Gpt2Tokenizer;
beforeAll(async () => {
  tokenizer = createGpt2Tokenizer(await readTokenizer(path("gpt2", "model"), {}));
  writer = await openPromptWriter({ model: path("gpt2", "model"), device: "cpu", threads: 1 });
});
afterAll(() => writer.close());

type Written = { ids: number[]; text: string };
interface Greedy {
  rows: ({ prompt: string; plain: Written } & Record<"repetition_penalty_1.3", Written>)[];
  new_tokens: number;
}
const { rows, new_tokens } = readJson<Greedy>("gpt2", "greedy.json");

describe("at temperature 0 it writes what generate does", () => {
  test.each(rows.map((row) => [row.prompt, row] as const))("%j", async (beginning, row) => {
    const maxLength = tokenizer.encode(beginning).length + new_tokens;
    for (const [want, repetitionPenalty] of [[row.plain, 1] as const, [row["repetition_penalty_1.3"], 1.3] as const]) {
      const prompts = await writer.write({ beginning, temperature: 0, maxLength, repetitionPenalty });
      expect(prompts.map(({ tokens }) => tokens)).toEqual([want.ids]);
      expect(prompts[0]!.text.startsWith(beginning)).toBe(true);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the text that is told has none
      if (!/[\x00-\x1f\x7f-\x9f]/.test(want.text)) expect(prompts[0]!.text).toBe(want.text.trimEnd());
    }
  });
});

interface Sampled {
  settings: { temperature: number; top_k?: number; top_p?: number; repetition_penalty?: number };
  prompt: string;
  method: "multinomial" | "inverse";
  seed: number;
  ids: number[];
}
const sampled = readJson<Sampled[]>("gpt2", "sampled.json").filter(({ method }) => method === "multinomial");

describe("with torch's multinomial", () => {
  test("there are cases", () => expect(sampled.length).toBeGreaterThan(0));

  test.each(sampled.map((c) => [JSON.stringify(c.settings), c.seed, c] as const))("%s, seed %i", async (_, seed, c) => {
    const { temperature, top_k, top_p, repetition_penalty } = c.settings;
    const [prompt] = await writer.write({
      beginning: c.prompt,
      maxLength: c.ids.length,
      wholeWords: false,
      seed,
      temperature,
      ...(top_k && { topK: top_k }),
      ...(top_p && { topP: top_p }),
      ...(repetition_penalty && { repetitionPenalty: repetition_penalty }),
    });
    expect(prompt!.tokens).toEqual(c.ids);
  });
});

test("each of several prompts can be drawn alone", async () => {
  const settings = { beginning: "A picture of", temperature: 0.8, maxLength: 16 };
  const together = await writer.write({ ...settings, count: 5, seed: 20 });
  expect(together.map(({ seed }) => seed)).toEqual([20, 21, 22, 23, 24]);
  for (const prompt of together) {
    const [alone] = await writer.write({ ...settings, seed: prompt.seed });
    expect(alone!.tokens).toEqual(prompt.tokens);
    expect(alone!.probability).toBeCloseTo(prompt.probability, 5);
  }
});

test("the embedded model writes by itself, and stops when it is told to", async () => {
  const stop = new AbortController();
  const pieces: string[] = [];
  const events = writePrompts({ beginning: "a lady with blue eyes", seed: 1, signal: stop.signal, threads: 1 });
  const reading = async () => {
    for await (const event of events) {
      if (event.type !== "token") continue;
      pieces.push(event.piece);
      if (pieces.length === 3) stop.abort();
    }
  };
  await expect(reading()).rejects.toThrow(/abort/i);
  expect(pieces).toHaveLength(3);
  expect(pieces.join("")).toMatch(/^[ ,]/);
});
