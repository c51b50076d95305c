import type { OpenModel } from "../pipelines/inkling.ts";
import { encodeWords } from "../pipelines/words.ts";
import type { Tensor } from "../tensor/index.ts";

export interface PlainWords {
  /** [1, S] */
  readonly ids: Tensor<"int64">;
  /** [1, S, D] */
  readonly embedding: Tensor<"float32">;
}

/** What the U-Net is told of a text as it stands: nothing in it is syntax. */
export async function plainWords(
  prompt: string,
  { networks, tokenizer }: Pick<OpenModel, "networks" | "tokenizer">,
  signal?: AbortSignal,
): Promise<PlainWords> {
  const settings = {
    prompt,
    negativePrompt: "",
    promptSyntax: "plain",
    emphasis: "original",
    clipSkip: undefined,
    guidance: 1,
    guidanceInterval: [0, 1],
  } as const;
  const tools = { tokenizer, networks, steps: 1, distilled: false, known: new Map(), signal };
  const told = encodeWords(settings, tools);
  let ids: Tensor<"int64"> | undefined;
  let turn = await told.next();
  for (; !turn.done; turn = await told.next()) if (turn.value.type === "tokens") ids = turn.value.cond;
  return { ids: ids!, embedding: turn.value.at(0).parts[0]!.embedding };
}
