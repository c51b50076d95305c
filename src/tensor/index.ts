export * from "./dtype.ts";
export * from "./half.ts";
export * from "./stored.ts";
export * from "./tensor.ts";
