export type { BpeFiles } from "./bpe.ts";
export {
  type ClipTokenizer,
  type ClipTokenizerOptions,
  createClipTokenizer,
  type TokenRow,
} from "./clip-tokenizer.ts";
export { createGpt2Tokenizer, type Gpt2Tokenizer, type Gpt2TokenizerOptions } from "./gpt2-tokenizer.ts";
export {
  readTokenizerConfig,
  type SpecialToken,
  type TokenizerConfig,
  type TokenizerConfigFiles,
} from "./special-tokens.ts";
