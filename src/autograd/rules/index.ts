import type { GradientRule } from "../rule.ts";
import { attentions } from "./attention.ts";
import { elementwise } from "./elementwise.ts";
import { linearAlgebra } from "./linear.ts";
import { normalization } from "./normalization.ts";
import { reductions } from "./reduce.ts";
import { shapes } from "./shape.ts";

/** One rule per operation, by its name. */
export const rules: Readonly<Record<string, GradientRule>> = {
  ...attentions,
  ...elementwise,
  ...linearAlgebra,
  ...normalization,
  ...reductions,
  ...shapes,
};
