export { backward } from "./backward.ts";
export type { GradientRule } from "./rule.ts";
export { rules } from "./rules/index.ts";
