export { parseBanList } from "./ban-list.ts";
export type { InitPicture } from "./beginning.ts";
export * from "./captions.ts";
export {
  type Clip,
  type ClipOptions,
  clipScore,
  cosine,
  type Embedding,
  type EmbedOptions,
  openClip,
  textProbabilities,
} from "./clip.ts";
export { type Config, defineConfig } from "./config.ts";
export type { Emphasis } from "./emphasis.ts";
export * from "./events.ts";
export { type GoalSources, goalNames, goalOf } from "./goal.ts";
export { type DrawnImage, type Inkling, type LoadOptions, load, type UnseenSettings } from "./inkling.ts";
export { type LanguageModel, openLanguageModel, type TextReader } from "./language-model.ts";
export {
  embedFiles,
  type IndexedPicture,
  type IndexOptions,
  type IndexProgress,
  indexPictures,
  rankPictures,
} from "./picture-index.ts";
export { openPromptWriter, type PromptWriter, type PromptWriterOptions, writePrompts } from "./prompt-writer.ts";
export * from "./settings.ts";
export { wildcardFolder } from "./wildcard-folder.ts";
export type {
  LikelyPiece,
  PromptEvent,
  PromptRefusedEvent,
  PromptTokenEvent,
  WriteEvent,
  WriteEvents,
  WriteSettings,
  WritingDoneEvent,
  WrittenPrompt,
} from "./writing.ts";
