export type { InitPicture } from "./beginning.ts";
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
export * from "./events.ts";
export { type GoalSources, goalNames, goalOf } from "./goal.ts";
export { type DrawnImage, type Inkling, type LoadOptions, load } from "./inkling.ts";
export { type LanguageModel, openLanguageModel, type TextReader } from "./language-model.ts";
export * from "./settings.ts";
