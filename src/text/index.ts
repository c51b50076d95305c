export type { BpeFiles } from "./bpe.ts";
export {
  type ClipTokenizer,
  type ClipTokenizerOptions,
  createClipTokenizer,
  type TokenRow,
} from "./clip-tokenizer.ts";
export { createGpt2Tokenizer, type Gpt2Tokenizer, type Gpt2TokenizerOptions } from "./gpt2-tokenizer.ts";
export { type AttentionOptions, type Fragment, parseAttention } from "./prompt/attention.ts";
export { type ChunkOptions, chunkPrompt, type WeightedRow } from "./prompt/chunks.ts";
export { type PromptPart, parseComposition } from "./prompt/composition.ts";
export { blankLoraTags, type LoraTag, loraTags } from "./prompt/lora-tags.ts";
export { PromptError, type PromptPlace } from "./prompt/prompt-error.ts";
export { type PromptStage, type ReadPart, type ReadPromptOptions, readPrompt } from "./prompt/read-prompt.ts";
export {
  type PromptAlternation,
  type PromptEdit,
  type PromptNode,
  type PromptText,
  parseSchedule,
  type ScheduledText,
  scheduleOf,
} from "./prompt/schedule.ts";
export {
  type ExpandOptions,
  expandAll,
  expandWildcards,
  hasWildcards,
  type Wildcards,
} from "./prompt/wildcards.ts";
export { type PseudoWord, withPseudoWords } from "./pseudo-words.ts";
export {
  readTokenizerConfig,
  type SpecialToken,
  type TokenizerConfig,
  type TokenizerConfigFiles,
} from "./special-tokens.ts";
export { literally, wholeWords } from "./whole-words.ts";
