export * from "./dtype.ts";
export * from "./errors.ts";
export * from "./half.ts";
export * from "./stored.ts";
export * from "./tensor.ts";
