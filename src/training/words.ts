import { type ClipTokenizer, createClipTokenizer, readTokenizerConfig } from "../text/index.ts";
import type { TokenizerFiles } from "../weights/index.ts";

/** CLIP's tokenizer as its files describe it. */
export function wordsOf({ merges, vocab, ...files }: TokenizerFiles): ClipTokenizer {
  return createClipTokenizer({ merges, vocab, ...readTokenizerConfig(files) });
}
