export type { InitPicture } from "./beginning.ts";
export * from "./events.ts";
export { type DrawnImage, type Inkling, type LoadOptions, load } from "./inkling.ts";
export * from "./settings.ts";
