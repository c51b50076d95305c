export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./expf.ts";
export * from "./half.ts";
export * from "./random/index.ts";
export * from "./stored.ts";
export * from "./tensor.ts";
export * from "./turn.ts";
