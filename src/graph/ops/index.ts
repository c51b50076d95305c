export * from "./attention.ts";
export * from "./elementwise.ts";
export * from "./linear.ts";
export * from "./normalization.ts";
export * from "./reduce.ts";
export * from "./selection.ts";
export * from "./shape.ts";
