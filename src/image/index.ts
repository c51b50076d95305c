export * from "./encode.ts";
export * from "./infotext.ts";
export * from "./numbering.ts";
export * from "./picture.ts";
export { quickPng } from "./png.ts";
export * from "./read.ts";
export * from "./resample.ts";
export * from "./save.ts";
export * from "./source.ts";
