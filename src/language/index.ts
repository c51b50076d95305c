export * from "./processors.ts";
export * from "./write.ts";
