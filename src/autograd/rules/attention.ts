import { attentionGradient, type Value } from "../../graph/index.ts";
import { type GradientRule, single } from "../rule.ts";

const attention: GradientRule = single((node, g) =>
  attentionGradient(g, node.inputs as [Value, Value, Value], node.outputs[0]!, node.attributes),
);

export const attentions: Readonly<Record<string, GradientRule>> = { Attention: attention };
