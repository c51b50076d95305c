/** Checkpoints that are saved in other ways than the published ones, opened and drawn with. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EmbeddingsEvent, type GenerateSettings, load, type TokensEvent } from "../../src/pipelines/index.ts";
import { expectClose } from "../support/compare.ts";
import { path } from "../support/fixtures.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-odd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const plain = path("checkpoints", "tiny-sd15");
const small = { prompt: "a lady with blue eyes", width: 64, height: 64, steps: 3, seed: 7 };

async function copyOf(checkpoint: string): Promise<string> {
  const copy = await mkdtemp(join(folder, "copy-"));
  await cp(checkpoint, copy, { recursive: true, dereference: true });
  return copy;
}

async function edit(file: string, change: object): Promise<void> {
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
}

/** What is drawn, and what the text encoder was asked for and gave. */
async function draw(checkpoint: string, settings: Partial<GenerateSettings> = {}) {
  const inkling = await load(checkpoint, { device: "cpu", threads: 1 });
  try {
    const seen: { tokens?: TokensEvent; embeddings?: EmbeddingsEvent; data?: Uint8Array } = {};
    for await (const event of inkling.stream({ ...small, ...settings })) {
      if (event.type === "tokens") seen.tokens = event;
      if (event.type === "embeddings") seen.embeddings = event;
      if (event.type === "image") seen.data = event.image.data;
    }
    return seen as Required<typeof seen>;
  } finally {
    await inkling.close();
  }
}

test("rows shorter than the text encoder has positions: the same words, fewer of them", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "tokenizer", "tokenizer_config.json"), { model_max_length: 50 });
  const [short, long] = [await draw(copy), await draw(plain)];
  expect(short.tokens.cond.shape).toEqual([1, 50]);
  const { shape, data } = short.embeddings.cond;
  expect(shape).toEqual([1, 50, long.embeddings.cond.shape[2]]);
  // No word looks at those after it.
  expectClose(data, long.embeddings.cond.data.subarray(0, data.length), 1e-5);
});

test("rows longer than the text encoder has positions are refused", async () => {
  const copy = await copyOf(plain);
  await edit(join(copy, "tokenizer", "tokenizer_config.json"), { model_max_length: 100 });
  await expect(draw(copy)).rejects.toThrow(/rows of 100 tokens \(model_max_length\), but the text encoder has 77/);
});
