import { join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { readJson, readText, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";

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
 * Reads `merges.txt`, `vocab.json`, `tokenizer_config.json` and `special_tokens_map.json` of a folder.
 *
 * @throws InputError naming the file: missing, damaged, an id that is no id or given twice, a merge without an id
 */
export async function readTokenizer(folder: string): Promise<TokenizerFiles> {
  const optional = async (file: string) => {
    const path = join(folder, file);
    return (await statOrUndefined(path)) ? await readJson(path) : undefined;
  };
  const [vocabPath, mergesPath] = [join(folder, "vocab.json"), join(folder, "merges.txt")];
  const vocab = checkVocab(await readJson(vocabPath, LIMIT), vocabPath);
  const merges = await readText(mergesPath, LIMIT);
  checkMerges(merges, vocab, mergesPath);
  return {
    merges,
    vocab,
    tokenizerConfig: await optional("tokenizer_config.json"),
    specialTokensMap: await optional("special_tokens_map.json"),
  };
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
    const what = pair.length === 2 ? "makes a token that vocab.json does not know" : "is not two tokens";
    throw new InputError(`${path}: line ${i + 1}, ${JSON.stringify(line.slice(0, 80))}, ${what}. Get the files again.`);
  }
}
