import { join } from "node:path";
import { setTimeout as nextTurn } from "node:timers/promises";
import { z } from "zod";
import { parseConfig } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { readJson, readText, statOrUndefined } from "./files.ts";
import { isObject, type JsonObject } from "./json.ts";

/** A tokenizer's files as they are: what `text/` builds a tokenizer from. */
export interface TokenizerFiles {
  /** merges.txt: one merge a line, best first, after a `#version` line. */
  readonly merges: string;
  /** Token → id, without a prototype; absent where the ids follow from the merges (CLIP's do). */
  readonly vocab?: Readonly<Record<string, number>>;
  /** Tokens of the vocabulary that no merge makes: looked for in a text before its words are split. */
  readonly addedTokens?: readonly string[];
  /** tokenizer_config.json */
  readonly tokenizerConfig?: JsonObject;
  /** special_tokens_map.json */
  readonly specialTokensMap?: JsonObject;
}

/** Several times the size of the largest vocabulary in use. */
const LIMIT = 1 << 25;

/** What a tokenizer must agree with. */
export interface TokenizerLimits {
  /** Rows of the text encoder's embedding: every id must find its own. Default: any number. */
  readonly vocabSize?: number;
}

/**
 * Reads `vocab.json` and `merges.txt` of a folder, or the `tokenizer.json` that holds both, and beside them
 * `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`. A full vocabulary is work for tens of
 * milliseconds, in steps that let the event loop turn: with timers, since an immediate after reading runs before anybody
 * else's timer.
 *
 * @throws InputError naming the file: missing, damaged, an id that is no id, given twice or beyond the limit, a merge
 *   without an id
 */
export async function readTokenizer(
  folder: string,
  { vocabSize = Number.POSITIVE_INFINITY }: TokenizerLimits = {},
): Promise<TokenizerFiles> {
  const optional = async (file: string) => {
    const path = join(folder, file);
    return (await statOrUndefined(path)) ? await readJson(path) : undefined;
  };
  const { merges, vocab, added: listed } = (await readSlow(folder, vocabSize)) ?? (await readFast(folder, vocabSize));
  const tokenizerConfig = await optional("tokenizer_config.json");
  const added: JsonObject = {
    ...listed,
    ...tokensOf(tokenizerConfig?.["added_tokens_decoder"]),
    ...(await optional("added_tokens.json")),
  };
  const known = Object.entries(added).every(([token, id]) => vocab[token] === id);
  return {
    merges,
    vocab: known ? vocab : checkVocab({ ...vocab, ...added }, `${folder}, with its added tokens,`, vocabSize),
    addedTokens: Object.keys(added),
    tokenizerConfig,
    specialTokensMap: await optional("special_tokens_map.json"),
  };
}

/** tokenizer_config.json lists what was added by id: `{"49408": {"content": "…"}}`. */
function tokensOf(decoder: unknown): JsonObject {
  if (!isObject(decoder)) return {};
  return Object.fromEntries(
    Object.entries(decoder).map(([id, token]) => [isObject(token) ? token["content"] : token, Number(id)]),
  );
}

interface Tables extends Required<Pick<TokenizerFiles, "merges" | "vocab">> {
  /** Added tokens and their ids, where the same file lists them. */
  readonly added?: JsonObject;
}

async function readSlow(folder: string, vocabSize: number): Promise<Tables | undefined> {
  const [vocabPath, mergesPath] = [join(folder, "vocab.json"), join(folder, "merges.txt")];
  if (!(await statOrUndefined(vocabPath)) && !(await statOrUndefined(mergesPath))) return undefined;
  const json = await readJson(vocabPath, LIMIT);
  await nextTurn();
  const vocab = checkVocab(json, vocabPath, vocabSize);
  const merges = await readText(mergesPath, LIMIT);
  await checkMerges(merges, vocab, mergesPath);
  return { merges, vocab };
}

/** Since transformers 5 a saved tokenizer may be this one file. */
const FAST = z.object({
  model: z.object({
    type: z.literal("BPE").default("BPE"),
    vocab: z.custom<JsonObject>(isObject, "should be an object"),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
  added_tokens: z.array(z.object({ content: z.string(), id: z.number() })).default([]),
});

async function readFast(folder: string, vocabSize: number): Promise<Tables> {
  const path = join(folder, "tokenizer.json");
  if (!(await statOrUndefined(path))) {
    throw new InputError(`${folder} has no tokenizer: neither vocab.json with merges.txt nor tokenizer.json.`);
  }
  const json = await readJson(path, LIMIT);
  await nextTurn();
  const { model, added_tokens: added } = parseConfig(FAST, json, path);
  await nextTurn();
  const vocab = checkVocab(model.vocab, path, vocabSize);
  const lines = model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  const merges = ["#version: 0.2", ...lines, ""].join("\n");
  await checkMerges(merges, vocab, path);
  return { merges, vocab, added: Object.fromEntries(added.map(({ content, id }) => [content, id])) };
}

/** The object itself, once every id in it is known to be one. */
function checkVocab(json: JsonObject, path: string, vocabSize: number): Readonly<Record<string, number>> {
  const tokens: string[] = [];
  for (const token of Object.keys(json)) {
    const id = json[token];
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw new InputError(`${path} gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}, which is no id.`);
    }
    if (id >= vocabSize) {
      throw new InputError(
        `${path} gives ${JSON.stringify(token)} the id ${id}, but the text encoder knows only ${vocabSize} ids ` +
          "(vocab_size). The two do not belong together.",
      );
    }
    const other = tokens[id];
    if (other !== undefined) {
      throw new InputError(
        `${path} gives ${JSON.stringify(other)} and ${JSON.stringify(token)} the same id, ${id}. Get the file again.`,
      );
    }
    tokens[id] = token;
  }
  // "constructor" is a word like any other.
  return Object.setPrototypeOf(json, null) as Readonly<Record<string, number>>;
}

/** So many lines are a few milliseconds of work. */
const LINES_A_TURN = 8192;

async function checkMerges(merges: string, vocab: Readonly<Record<string, number>>, path: string): Promise<void> {
  for (const [i, line] of merges.split("\n").entries()) {
    if (i % LINES_A_TURN === 0) await nextTurn();
    const merge = line.trim();
    if (merge === "" || (i === 0 && merge.startsWith("#version"))) continue;
    const what = faultOf(merge, vocab);
    if (!what) continue;
    throw new InputError(`${path}: line ${i + 1}, ${JSON.stringify(line.slice(0, 80))}, ${what}. Get the files again.`);
  }
}

function faultOf(merge: string, vocab: Readonly<Record<string, number>>): string | undefined {
  const space = merge.indexOf(" ");
  if (space < 0 || merge.includes(" ", space + 1)) return "is not two tokens";
  const [left, right] = [merge.slice(0, space), merge.slice(space + 1)];
  if (vocab[left + right] === undefined) return "makes a token that the vocabulary does not know";
  if (vocab[left] === undefined || vocab[right] === undefined) return "takes a token that the vocabulary does not know";
  return undefined;
}
