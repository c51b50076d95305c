export type { InitPicture } from "./beginning.ts";
export * from "./events.ts";
export { type DrawnImage, type Inkling, type LoadOptions, load } from "./inkling.ts";
export { type LanguageModel, openLanguageModel, type TextReader } from "./language-model.ts";
export * from "./settings.ts";
