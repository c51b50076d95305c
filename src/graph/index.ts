export * from "./copy.ts";
export * from "./cut.ts";
export * from "./eight-bit.ts";
export * from "./graph.ts";
export * from "./lower.ts";
export { lowerings } from "./lowerings/index.ts";
export * from "./onnx.ts";
export * from "./ops/index.ts";
export * from "./shape.ts";
