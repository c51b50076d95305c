import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../tensor/index.ts";
import { readJson, readText, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { check } from "./layout.ts";

/** A tokenizer's files as they are: what `text/` builds a tokenizer from. */
export interface TokenizerFiles {
  /** merges.txt: one merge a line, best first, after a `#version` line. */
  readonly merges: string;
  /** Token → id, without a prototype; absent where the ids follow from the merges (CLIP's do). */
  readonly vocab?: Readonly<Record<string, number>>;
  /** tokenizer_config.json */
  readonly tokenizerConfig?: JsonObject;
  /** special_tokens_map.json */
  readonly specialTokensMap?: JsonObject;
}

/** Several times the size of the largest vocabulary in use. */
const LIMIT = 1 << 25;

/**
 * Reads `vocab.json` and `merges.txt` of a folder, or the `tokenizer.json` that holds both, and beside them
 * `tokenizer_config.json` and `special_tokens_map.json`.
 *
 * @throws InputError naming the file: missing, damaged, an id that is no id or given twice, a merge without an id
 */
export async function readTokenizer(folder: string): Promise<TokenizerFiles> {
  const optional = async (file: string) => {
    const path = join(folder, file);
    return (await statOrUndefined(path)) ? await readJson(path) : undefined;
  };
  return {
    ...((await readSlow(folder)) ?? (await readFast(folder))),
    tokenizerConfig: await optional("tokenizer_config.json"),
    specialTokensMap: await optional("special_tokens_map.json"),
  };
}

type Tables = Required<Pick<TokenizerFiles, "merges" | "vocab">>;

async function readSlow(folder: string): Promise<Tables | undefined> {
  const [vocabPath, mergesPath] = [join(folder, "vocab.json"), join(folder, "merges.txt")];
  if (!(await statOrUndefined(vocabPath)) && !(await statOrUndefined(mergesPath))) return undefined;
  const vocab = checkVocab(await readJson(vocabPath, LIMIT), vocabPath);
  const merges = await readText(mergesPath, LIMIT);
  checkMerges(merges, vocab, mergesPath);
  return { merges, vocab };
}

/** Since transformers 5 a saved tokenizer may be this one file. */
const FAST = z.object({
  model: z.object({
    type: z.literal("BPE").default("BPE"),
    vocab: z.record(z.string(), z.unknown()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

async function readFast(folder: string): Promise<Tables> {
  const path = join(folder, "tokenizer.json");
  if (!(await statOrUndefined(path))) {
    throw new InputError(`${folder} has no tokenizer: neither vocab.json with merges.txt nor tokenizer.json.`);
  }
  const { model } = check(FAST, await readJson(path, LIMIT), path);
  const vocab = checkVocab(model.vocab, path);
  const lines = model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  const merges = ["#version: 0.2", ...lines, ""].join("\n");
  checkMerges(merges, vocab, path);
  return { merges, vocab };
}

/**
 * Every id must find its row in the text encoder's embedding.
 *
 * @throws InputError naming the folder and a token beyond the table
 */
export function checkVocabSize({ vocab = {} }: TokenizerFiles, vocabSize: number, where: string): void {
  for (const [token, id] of Object.entries(vocab)) {
    if (id < vocabSize) continue;
    throw new InputError(
      `The tokenizer of ${where} gives ${JSON.stringify(token)} the id ${id}, but its text encoder knows only ` +
        `${vocabSize} ids (vocab_size). The two do not belong together.`,
    );
  }
}

function checkVocab(json: JsonObject, path: string): Readonly<Record<string, number>> {
  const vocab: Record<string, number> = Object.create(null);
  const tokens = new Map<number, string>();
  for (const [token, id] of Object.entries(json)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw new InputError(`${path} gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}, which is no id.`);
    }
    const other = tokens.get(id);
    if (other !== undefined) {
      throw new InputError(
        `${path} gives ${JSON.stringify(other)} and ${JSON.stringify(token)} the same id, ${id}. Get the file again.`,
      );
    }
    tokens.set(id, token);
    vocab[token] = id;
  }
  return vocab;
}

function checkMerges(merges: string, vocab: Readonly<Record<string, number>>, path: string): void {
  for (const [i, line] of merges.split("\n").entries()) {
    if (line.trim() === "" || (i === 0 && line.startsWith("#version"))) continue;
    const pair = line.trim().split(" ");
    if (pair.length === 2 && vocab[pair[0]! + pair[1]!] !== undefined) continue;
    const what = pair.length === 2 ? "makes a token that the vocabulary does not know" : "is not two tokens";
    throw new InputError(`${path}: line ${i + 1}, ${JSON.stringify(line.slice(0, 80))}, ${what}. Get the files again.`);
  }
}
