import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import {
  type LogitsProcessor,
  processorsOf,
  type SamplingSettings,
  softmax,
  writeOn,
} from "../../src/language/index.ts";
import { cacheNames, gpt2, gpt2Config } from "../../src/models/index.ts";
import { type LanguageModel, openLanguageModel } from "../../src/pipelines/language-model.ts";
import type { Session } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, int64, type Tensor } from "../../src/tensor/index.ts";
import { openModelPart } from "../../src/weights/index.ts";
import { expectClose } from "../support/compare.ts";
import { need, path, readJson, readTensors } from "../support/fixtures.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

const folder = path("gpt2", "model");
const config = gpt2Config(readJson("gpt2", "model", "config.json"));
const eosId = 1156;
const LOGITS = { limit: 2e-5, per: "std" } as const;
const stored = readTensors("gpt2", "logits.safetensors");
const rowsOf = ({ data, shape }: Tensor): Float32Array[] => {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, i) =>
    (data as Float32Array).slice(i * width, (i + 1) * width),
  );
};

let model: LanguageModel;
beforeAll(async () => {
  model = await openLanguageModel(folder, runtime);
});

/** A session of the tiny GPT-2 that gives every token's logits. */
async function open(change: (graph: Graph) => void = () => {}, written = lowerings.cpu): Promise<Session> {
  const { weights } = await openModelPart(folder);
  const graph = gpt2(config);
  change(graph);
  return runtime.createSession(toOnnx(lower(graph, written), (name) => weights.get(name)!));
}

/** Whole texts at once, with nothing before them. */
function wholeFeeds(ids: Tensor): Record<string, Tensor> {
  const [batch, tokens] = ids.shape as [number, number];
  const unseen = (_: unknown, i: number) => (i % tokens > Math.floor(i / tokens) % tokens ? -3.4e38 : 0);
  const past = cacheNames(config).map(([name]) => [
    name,
    float32([batch, config.n_head, 0, config.n_embd / config.n_head], []),
  ]);
  return {
    input_ids: ids,
    position_ids: int64(
      [batch, tokens],
      Array.from({ length: batch * tokens }, (_, i) => i % tokens),
    ),
    attention_bias: float32([batch, 1, tokens, tokens], Array.from({ length: batch * tokens * tokens }, unseen)),
    ...Object.fromEntries(past),
  };
}

describe("logits", () => {
  const prompts = readJson<{ prompt: string; ids: number[] }[]>("gpt2", "logits.json");

  test.each(prompts.map(({ prompt, ids }, i) => [prompt, ids, i] as const))("%j", async (prompt, ids, i) => {
    expect(model.tokenizer.encode(prompt)).toEqual(ids);
    const session = await open();
    const { logits } = await session.run(wholeFeeds(need(stored, `${i}.ids`)));
    expectClose(logits!, need(stored, `${i}.logits`), LOGITS.limit, { name: prompt, per: LOGITS.per });
    await session.release();

    // Token by token, what was seen being remembered.
    const reader = model.read();
    const cached: Float32Array[] = [];
    for (const id of ids) cached.push(await reader.readOn([[id]]));
    reader.close();
    const want = need(stored, `${i}.cached`);
    const got = float32(
      want.shape,
      cached.flatMap((row) => [...row]),
    );
    expectClose(got, want, LOGITS.limit, { name: `${prompt}, cached`, per: LOGITS.per });
  });

  test("the same with attention written out, as devices without its node have it", async () => {
    const session = await open(undefined, lowerings.cuda);
    const { logits } = await session.run(wholeFeeds(need(stored, "0.ids")));
    await session.release();
    expectClose(logits!, need(stored, "0.logits"), LOGITS.limit, { per: LOGITS.per });
  });

  test("as many tokens as there are positions, two texts at once", async () => {
    const session = await open();
    const ids = need(stored, "long.ids");
    const { logits } = await session.run(wholeFeeds(ids));
    await session.release();
    const [batch, tokens] = ids.shape as [number, number];
    const rows = rowsOf(logits!).filter((_, i) => i % tokens >= tokens - 3);
    const want = need(stored, "long.logits_last");
    const got = float32(
      [batch, 3, config.vocab_size],
      rows.flatMap((row) => [...row]),
    );
    expectClose(got, want, LOGITS.limit, { name: "long", per: LOGITS.per });
  });

  test("the hidden states on the way", async () => {
    // The last one is told after the final norm.
    const paths = ["embeddings", "h.0", "h.1", "ln_f"];
    const session = await open((graph) => {
      for (const scope of paths) graph.tap(scope);
    });
    const outputs = await session.run(wholeFeeds(need(stored, "0.ids")));
    await session.release();
    for (const [i, scope] of paths.entries()) {
      expectClose(outputs[scope]!, need(stored, `hidden.${i}`), LOGITS.limit, { name: scope, per: LOGITS.per });
    }
  });

  test("texts of different lengths side by side are those texts alone", async () => {
    const texts = prompts.slice(0, 4).map(({ ids }) => ids);
    const together = model.read();
    const first = await together.readOn(texts);
    const second = await together.readOn(texts.map(() => [5]));
    together.close();
    for (const [i, ids] of texts.entries()) {
      const alone = model.read();
      const row = (all: Float32Array) =>
        float32([config.vocab_size], all.slice(i * config.vocab_size, (i + 1) * config.vocab_size));
      const name = `text ${i}`;
      expectClose(row(first), float32([config.vocab_size], await alone.readOn([ids])), LOGITS.limit, {
        name,
        per: "std",
      });
      expectClose(row(second), float32([config.vocab_size], await alone.readOn([[5]])), LOGITS.limit, {
        name,
        per: "std",
      });
      alone.close();
    }
  });
});

describe("processors", () => {
  interface Row {
    tensor: string;
    processors: string;
    kept: number[];
  }
  const { rows, bad_words_ids, min_length } = readJson<{ rows: Row[]; bad_words_ids: number[][]; min_length: number }>(
    "gpt2",
    "processors.json",
  );
  const tensors = readTensors("gpt2", "processors.safetensors");
  const ids = rowsOf(need(tensors, "ids")).map((row) => Array.from(row, Number));

  const settings: Readonly<Record<string, (value: number) => SamplingSettings>> = {
    temperature: (temperature) => ({ temperature }),
    top_k: (topK) => ({ topK }),
    top_p: (topP) => ({ topP }),
    min_p: (minP) => ({ minP }),
    typical_p: (typicalP) => ({ typicalP }),
    repetition_penalty: (repetitionPenalty) => ({ repetitionPenalty }),
    bad_words: () => ({ banned: bad_words_ids }),
    no_repeat_ngram: (noRepeatNgram) => ({ noRepeatNgram }),
    min_new_tokens: () => ({ minNewTokens: min_length }),
    all: () => ({
      repetitionPenalty: 1.15,
      banned: bad_words_ids,
      minNewTokens: min_length,
      temperature: 0.8,
      topK: 30,
      topP: 0.85,
    }),
  };

  test.each(rows.map((row) => [row.processors, row] as const))("%s", (_, { tensor, processors, kept }) => {
    const [name, value] = processors.split(" ") as [string, string?];
    const asked: LogitsProcessor[] = processorsOf(settings[name]!(Number(value)), { eosId, beginning: 0 });
    const got = rowsOf(need(tensors, "before"));
    for (const [i, row] of got.entries()) for (const process of asked) process(row, ids[i]!);
    const want = rowsOf(need(tensors, tensor));
    for (const [i, row] of got.entries()) {
      const finite = (all: Float32Array) => [...all.keys()].filter((id) => all[id] !== Number.NEGATIVE_INFINITY);
      expect(finite(row)).toEqual(finite(want[i]!));
      expect(finite(row)).toHaveLength(kept[i]!);
      for (const id of finite(row))
        expect(Math.abs(row[id]! - want[i]![id]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(want[i]![id]!)));
    }
  });

  test("settings out of range are refused by name", () => {
    const refuse = (asked: SamplingSettings) => () => processorsOf(asked, { eosId, beginning: 0 });
    expect(refuse({ temperature: -1 })).toThrow(/temperature is -1/);
    expect(refuse({ topP: 2 })).toThrow(/top-p is 2.*0 to 1/);
    expect(refuse({ topK: 1.5 })).toThrow(/top-k is 1.5.*whole/);
  });
});

/** Continues the ids alone, and returns them with what was written. */
async function write(ids: number[], newTokens: number, settings: SamplingSettings, seed = 0): Promise<number[]> {
  const reader = model.read();
  const written = [...ids];
  const generators = [new CpuGenerator(seed)];
  const maxLength = ids.length + newTokens;
  for await (const { id } of writeOn(reader.readOn, { beginnings: [ids], maxLength, eosId, generators, ...settings })) {
    written.push(id);
  }
  reader.close();
  return written;
}

describe("greedy", () => {
  type Written = { ids: number[]; text: string };
  interface Row extends Record<string, unknown> {
    prompt: string;
  }
  const { rows, bad_words_ids, new_tokens } = readJson<{ rows: Row[]; bad_words_ids: number[][]; new_tokens: number }>(
    "gpt2",
    "greedy.json",
  );
  const variants: Readonly<Record<string, SamplingSettings>> = {
    plain: {},
    "repetition_penalty_1.3": { repetitionPenalty: 1.3 },
    banned: { banned: bad_words_ids },
    no_repeat_ngram_2: { noRepeatNgram: 2 },
  };
  const cases = rows.flatMap((row) =>
    Object.keys(variants).map((variant) => [row.prompt, variant, row[variant] as Written] as const),
  );

  test.each(cases)("%j, %s", async (prompt, variant, want) => {
    const ids = await write(model.tokenizer.encode(prompt), new_tokens, { temperature: 0, ...variants[variant] });
    expect(ids).toEqual(want.ids);
    expect(model.tokenizer.decode(ids)).toBe(want.text);
  });
});

describe("sampled", () => {
  interface Case {
    settings: { temperature: number; top_k?: number; top_p?: number; repetition_penalty?: number };
    prompt: string;
    method: "multinomial" | "inverse";
    seed?: number;
    uniform?: number[];
    ids: number[];
  }
  const cases = readJson<Case[]>("gpt2", "sampled.json");
  const settingsOf = ({ settings }: Case): SamplingSettings => ({
    temperature: settings.temperature,
    ...(settings.top_k && { topK: settings.top_k }),
    ...(settings.top_p && { topP: settings.top_p }),
    ...(settings.repetition_penalty && { repetitionPenalty: settings.repetition_penalty }),
  });

  const byTorch = cases.filter(({ method }) => method === "multinomial");
  test.each(byTorch.map((c) => [JSON.stringify(c.settings), c.seed!, c] as const))(
    "%s from seed %i",
    async (_, seed, c) => {
      const beginning = model.tokenizer.encode(c.prompt);
      expect(await write(beginning, c.ids.length - beginning.length, settingsOf(c), seed)).toEqual(c.ids);
    },
  );

  const byInversion = cases.filter(({ method }) => method === "inverse");
  test.each(byInversion.map((c) => [JSON.stringify(c.settings), c] as const))(
    "%s, by stored uniforms",
    async (_, c) => {
      const ids = model.tokenizer.encode(c.prompt);
      const processors = processorsOf(settingsOf(c), { eosId, beginning: ids.length });
      const reader = model.read();
      let next = ids.slice();
      for (const u of c.uniform!) {
        const logits = await reader.readOn([next]);
        for (const process of processors) process(logits, ids);
        let sum = 0;
        const id = softmax(logits).findIndex((p) => {
          sum += p;
          return sum > u;
        });
        ids.push(id);
        next = [id];
      }
      reader.close();
      expect(ids).toEqual(c.ids);
    },
  );

  test("both methods are there", () => {
    expect(byTorch.length).toBeGreaterThan(0);
    expect(byInversion.length).toBeGreaterThan(0);
    expect(byTorch.length + byInversion.length).toBe(cases.length);
  });
});

test("texts written side by side are those written alone", async () => {
  const beginnings = ["A picture of", "x", "a castle, highly detailed, 8k"].map((text) => model.tokenizer.encode(text));
  const session = model.read();
  const written = beginnings.map((ids) => [...ids]);
  const generators = beginnings.map((_, i) => new CpuGenerator(7 + i));
  for await (const choice of writeOn(session.readOn, {
    beginnings,
    maxLength: 24,
    eosId,
    generators,
    alternatives: 3,
  })) {
    expect(choice.alternatives).toHaveLength(3);
    expect(choice.position).toBe(written[choice.text]!.push(choice.id) - 1);
  }
  session.close();
  for (const [i, ids] of beginnings.entries()) expect(written[i]).toEqual(await write(ids, 24 - ids.length, {}, 7 + i));
});
