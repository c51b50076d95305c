import { literally } from "./whole-words.ts";

/** A token that is looked for in a text before its words are split. */
export interface SpecialToken {
  content: string;
  /** Whether it is looked for in the normalised (lower-cased) text rather than in the text as given. */
  normalized: boolean;
}

/** What a tokenizer's configuration says: its special tokens by role, and how long a row is. */
export interface TokenizerConfig {
  bosToken: SpecialToken;
  eosToken: SpecialToken;
  /** Stands for what the vocabulary cannot spell. */
  unkToken: SpecialToken;
  padToken: SpecialToken;
  /** Tokens without a role that were added to the vocabulary, as textual inversion does. */
  addedTokens: readonly SpecialToken[];
  /** Ids in a row, start and end included. */
  maxLength: number;
}

/** CLIP's own tokens and length: what holds where no configuration says otherwise. */
export const CLIP_DEFAULTS: TokenizerConfig = {
  bosToken: { content: "<|startoftext|>", normalized: false },
  eosToken: { content: "<|endoftext|>", normalized: false },
  unkToken: { content: "<|endoftext|>", normalized: false },
  padToken: { content: "<|endoftext|>", normalized: false },
  addedTokens: [],
  maxLength: 77,
};

/** The contents of a tokenizer's configuration files, parsed. */
export interface TokenizerConfigFiles {
  tokenizerConfig?: unknown;
  specialTokensMap?: unknown;
  /** What was added to the vocabulary. */
  addedTokens?: readonly string[];
}

/** No text encoder has rows this long; tokenizers without a limit write 10³⁰. */
const NO_LIMIT = 1e6;

/**
 * Reads tokenizer_config.json and special_tokens_map.json as transformers does: what the second says wins (Stable
 * Diffusion 2's pad token stands there alone), unless the first is of the newer kind that lists `added_tokens_decoder`
 * and makes the second one superfluous.
 */
export function readTokenizerConfig(files: TokenizerConfigFiles): TokenizerConfig {
  const config = fieldsOf(files.tokenizerConfig);
  const listed = Object.values(fieldsOf(config["added_tokens_decoder"])).flatMap((token) => parse(token) ?? []);
  const map = listed.length > 0 ? {} : fieldsOf(files.specialTokensMap);
  const read = (key: string, preset: SpecialToken): SpecialToken => {
    const token = parse(map[key]) ?? parse(config[key]) ?? preset;
    return listed.find(({ content }) => content === token.content) ?? token;
  };
  const limit = config["model_max_length"];
  const roles = {
    bosToken: read("bos_token", CLIP_DEFAULTS.bosToken),
    eosToken: read("eos_token", CLIP_DEFAULTS.eosToken),
    unkToken: read("unk_token", CLIP_DEFAULTS.unkToken),
    padToken: read("pad_token", CLIP_DEFAULTS.padToken),
  };
  const known = new Set(Object.values(roles).map(({ content }) => content));
  return {
    ...roles,
    addedTokens: (files.addedTokens ?? [])
      .filter((content) => !known.has(content))
      .map((content) => listed.find((token) => token.content === content) ?? { content, normalized: true }),
    maxLength:
      typeof limit === "number" && limit >= 2 && limit < NO_LIMIT ? Math.floor(limit) : CLIP_DEFAULTS.maxLength,
  };
}

function fieldsOf(json: unknown): Record<string, unknown> {
  return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
}

/** A token is written as its text, or as an object with its text and how to look for it. */
function parse(json: unknown): SpecialToken | undefined {
  if (typeof json === "string") return { content: json, normalized: false };
  const { content, normalized } = fieldsOf(json);
  return typeof content === "string" ? { content, normalized: normalized === true } : undefined;
}

/**
 * The different texts among `tokens`, in two groups: looked for in the text as given, and in the normalised text. Where
 * roles share a text and disagree, the description that appears last for the first time holds, as in transformers.
 */
export function groupTokens(tokens: readonly SpecialToken[]): { raw: string[]; normalized: string[] } {
  const seen = new Set<string>();
  const groups = new Map<string, boolean>();
  for (const { content, normalized } of tokens) {
    const description = JSON.stringify([content, normalized]);
    if (content === "" || seen.has(description)) continue;
    seen.add(description);
    groups.set(content, normalized);
  }
  const group = (kind: boolean) => [...groups].filter(([, normalized]) => normalized === kind).map(([text]) => text);
  return { raw: group(false), normalized: group(true) };
}

/** A function that cuts a text at every one of `tokens`: texts at even places, tokens between them at odd ones. */
export function cutter(tokens: readonly string[]): (text: string) => string[] {
  if (tokens.length === 0) return (text) => [text];
  // Where two tokens match at one place, the longer one is taken.
  const escaped = tokens.toSorted((a, b) => b.length - a.length).map(literally);
  const pattern = new RegExp(`(${escaped.join("|")})`, "u");
  return (text) => text.split(pattern);
}
