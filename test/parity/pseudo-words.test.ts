/** Textual inversion: ids and embeddings of prompts with learnt words, against the reference. */
import { basename } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createNetworks } from "../../src/pipelines/networks.ts";
import { openPseudoWords } from "../../src/pipelines/pseudo-words.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { int64 } from "../../src/tensor/index.ts";
import { createClipTokenizer, readTokenizerConfig } from "../../src/text/index.ts";
import { openCheckpoint } from "../../src/weights/index.ts";
import { expectClose } from "../support/compare.ts";
import { list, need, path, readJson, readTensors } from "../support/fixtures.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

interface Entry {
  checkpoint: string;
  prompt?: string;
  ids: string;
  new_ids: Record<string, number>;
}
const entries = readJson<Entry[]>("adapters", "adapters.json").filter(({ prompt }) => prompt !== undefined);
const checkpoints = [...new Set(entries.map(({ checkpoint }) => checkpoint))];

/** The generator calls its files' words so. */
const wordOf = (file: string) => basename(file, ".safetensors").replace("embedding-", "ink-");

async function opened(name: string) {
  const checkpoint = await openCheckpoint(path("checkpoints", name));
  const { merges, vocab, ...files } = checkpoint.tokenizer;
  const tokenizer = createClipTokenizer({ merges, vocab, ...readTokenizerConfig(files) });
  const asked = list("adapters", name)
    .filter((file) => /^embedding-(one|three)/.test(file))
    .map((file) => ({ file: path("adapters", name, file), name: wordOf(file) }));
  const words = await openPseudoWords(asked, { name, checkpoint }, tokenizer, () => {});
  return { checkpoint, words };
}

describe.each(checkpoints)("%s", (name) => {
  test("ids are exact, and embeddings are the reference's", async () => {
    const { checkpoint, words } = await opened(name);
    const outputs = readTensors("adapters", name, "outputs.safetensors");
    const networks = createNetworks(checkpoint, runtime).adapted([], words.vectors);
    const own = entries.filter((entry) => entry.checkpoint === name);
    expect(own.length).toBeGreaterThan(1);
    for (const { prompt, ids, new_ids: newIds } of own) {
      const row = words.tokenizer.row(prompt!).ids;
      const want = need(outputs, ids);
      expect(row).toEqual(Array.from(want.data as BigInt64Array, Number));
      for (const [token, id] of Object.entries(newIds)) expect(words.tokenizer.token(id)).toBe(token);
      const encoded = await networks.encodeText(int64(want.shape, row), 0);
      expectClose(encoded, need(outputs, ids.replace(".ids", ".text")), 5e-5, { name: prompt!, per: "std" });
    }
  });
});
