export * from "./guidance.ts";
export * from "./walk.ts";
