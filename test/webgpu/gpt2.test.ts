import { afterAll, expect, test } from "vitest";
import { writeOn } from "../../src/language/index.ts";
import { openLanguageModel } from "../../src/pipelines/language-model.ts";
import { CpuGenerator } from "../../src/tensor/index.ts";
import { path, readJson } from "../support/fixtures.ts";
import { openAdapter } from "./adapter.ts";

const runtime = await openAdapter();
afterAll(() => runtime.close());

interface Row {
  prompt: string;
  plain: { ids: number[] };
}

test("GPT-2 continues texts of different lengths as on the CPU, what was seen being kept by the runtime", async () => {
  const { rows } = readJson<{ rows: Row[] }>("gpt2", "greedy.json");
  const model = await openLanguageModel(path("gpt2", "model"), runtime);
  const beginnings = rows.map(({ prompt }) => model.tokenizer.encode(prompt));
  const written = beginnings.map((ids) => [...ids]);
  const reader = model.read();
  // Few: every length of what was seen is a program of its own, which a software adapter is slow to compile.
  const maxLength = Math.max(...beginnings.map(({ length }) => length)) + 4;
  const generators = beginnings.map(() => new CpuGenerator(0));
  const options = { beginnings, maxLength, eosId: model.config.eos_token_id!, generators, temperature: 0 };
  for await (const { text, id } of writeOn(reader.readOn, options)) written[text]!.push(id);
  reader.close();
  for (const [i, { plain }] of rows.entries()) expect(written[i]).toEqual(plain.ids.slice(0, written[i]!.length));
  for (const ids of written) expect(ids.length).toBe(maxLength);
});
