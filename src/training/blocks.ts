import type { Node } from "../graph/index.ts";

/** The parts that networks repeat, by their checkpoints' own names. */
const BLOCK = /^.*?\b(?:resnets|attentions|layers|h)\.\d+(?=\.|$)/;

/** The block of its network that a node belongs to: a residual block, a transformer, a layer. */
export const blockOf = ({ scope }: Node): string | undefined => BLOCK.exec(scope)?.[0];
