export { type BackwardOptions, backward } from "./backward.ts";
export type { GradientRule } from "./rule.ts";
export { rules } from "./rules/index.ts";
