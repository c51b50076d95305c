import { guidedSteps } from "../diffusion/index.ts";
import { float32, InputError, int64, joined, type Tensor } from "../tensor/index.ts";
import { type ClipTokenizer, chunkPrompt, parseComposition, readPrompt, type WeightedRow } from "../text/index.ts";
import { type EmphasizedRow, emphasize, needsEmpty } from "./emphasis.ts";
import type { EmbeddingsEvent, TokensEvent, ToldText } from "./events.ts";
import type { Networks } from "./networks.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What the U-Net is told about the words on the way down the noise levels. */
export interface Words {
  /** At a solver step, counted from 0. */
  at(step: number): Told;
}

export interface Told {
  /** One embedding [1, tokens, channels] for each part of a composition, all of one length. */
  readonly parts: readonly { readonly weight: number; readonly embedding: Tensor<"float32"> }[];
  /** Absent where nothing is compared with it; it may be of another length. */
  readonly uncond?: Tensor<"float32">;
}

export type PromptSettings = Pick<
  ResolvedSettings,
  "prompt" | "negativePrompt" | "promptSyntax" | "emphasis" | "clipSkip" | "guidance" | "guidanceInterval"
>;

export interface WordTools {
  readonly tokenizer: ClipTokenizer;
  readonly networks: Pick<Networks, "encodeText">;
  /** Of the walk: what a prompt's editing counts. */
  readonly steps: number;
  /** Whether the U-Net has its guidance as an input and is never compared with the empty prompt. */
  readonly distilled: boolean;
  /** Rows that were encoded already, by their ids; new ones are added. */
  readonly known: Map<string, Float32Array>;
  readonly signal?: AbortSignal;
}

/** A text that a part of the prompt goes through, as rows of tokens. */
interface Stage {
  readonly until: number;
  readonly text: string;
  readonly rows: readonly WeightedRow[];
}

interface Part {
  readonly of: ToldText["of"];
  readonly part: number;
  readonly weight: number;
  readonly stages: readonly Stage[];
}

/** Rows of text in one call of the encoder. */
const BATCH = 16;

/**
 * Throws a PromptError where a prompt holds a number that makes no sense. Nothing is wrong with a prompt in plain syntax.
 */
export function checkPrompts({ prompt, negativePrompt, promptSyntax }: PromptSettings, steps: number): void {
  if (promptSyntax === "plain") return;
  readPrompt(prompt, { steps });
  readPrompt(negativePrompt, { steps, composition: false, name: "negative prompt" });
}

/**
 * Whether the U-Net is shown the negative prompt too: where guidance compares with it, or a composition, which is made of
 * differences from it at any guidance.
 */
export function looksAtNegative(
  { prompt, promptSyntax, guidance, guidanceInterval }: PromptSettings,
  { distilled, steps }: Pick<WordTools, "distilled" | "steps">,
): boolean {
  const { first, end } = guidedSteps(steps, guidanceInterval);
  if (guidance !== 1 && !distilled && first < end) return true;
  return promptSyntax !== "plain" && parseComposition(prompt).length > 1;
}

/**
 * A prompt as it would be said: without brackets, weights and breaks, with the words of the last step where they change.
 *
 * @throws InputError where it has no words to judge by
 */
export function plainWords({
  prompt,
  promptSyntax,
  steps,
}: Pick<ResolvedSettings, "prompt" | "promptSyntax" | "steps">): string {
  const parts = promptSyntax === "plain" ? [prompt] : readPrompt(prompt, { steps }).map(lastWords);
  const words = parts.filter((part) => part.trim() !== "").join(", ");
  if (words) return words;
  throw new InputError("The best of several candidates is the one that fits the prompt, and there is no prompt.");
}

function lastWords({ weight, stages }: ReturnType<typeof readPrompt>[number]): string {
  if (weight <= 0) return "";
  const texts = stages.at(-1)!.fragments.map(({ isBreak, text }) => (isBreak ? " " : text));
  return texts.join("").replace(/\s+/g, " ").trim();
}

/** Encodes the prompts: every different row of tokens once, those of the prompt before those of the negative one. */
export async function* encodeWords(
  settings: PromptSettings,
  tools: WordTools,
): AsyncGenerator<TokensEvent | EmbeddingsEvent, Words, void> {
  const { tokenizer, known, steps } = tools;
  const { dropped, parts } = readParts(settings, tokenizer, steps);
  const used = looksAtNegative(settings, tools) ? parts : parts.filter(({ of }) => of === "cond");
  const first = (of: Part["of"]) => used.find((part) => part.of === of)?.stages[0];
  const [cond, uncond] = [first("cond")!, first("uncond")];
  yield {
    type: "tokens",
    cond: idsOf(cond),
    uncond: uncond && idsOf(uncond),
    dropped: used
      .map(({ of }) => dropped[of])
      .join(" ")
      .trim(),
    texts: used.flatMap((part) => part.stages.map((stage) => ({ ...about(part, stage), ...tokensOf(stage) }))),
  };

  const rows = used.flatMap(({ stages }) => stages.flatMap((stage) => stage.rows));
  const empty = tokenizer.row("").ids;
  const missing = needsEmpty(settings.emphasis, rows)
    ? [...rows.map(({ ids }) => ids), empty]
    : rows.map(({ ids }) => ids);
  await encodeRows(missing, settings, tools);
  const embedded = used.map((part) => ({ ...part, stages: embed(part.stages, known, settings, keyOf(empty)) }));
  const sides = {
    cond: embedded.filter(({ of }) => of === "cond"),
    uncond: embedded.find(({ of }) => of === "uncond"),
  };
  const longest = Math.max(...sides.cond.flatMap(({ stages }) => stages.map(({ embedding }) => embedding.shape[1]!)));
  // What stays the same from step to step stays the same tensor.
  const long = new Map(
    sides.cond.flatMap(({ stages }) => stages.map(({ embedding }) => [embedding, lengthened(embedding, longest)])),
  );
  yield {
    type: "embeddings",
    cond: sides.cond[0]!.stages[0]!.embedding,
    uncond: sides.uncond?.stages[0]?.embedding,
    texts: embedded.flatMap((part) =>
      part.stages.map((stage) => ({ ...about(part, stage), embedding: stage.embedding })),
    ),
  };
  return {
    at(step) {
      const now = <S extends Pick<Stage, "until">>(stages: readonly S[]): S =>
        stages.find(({ until }) => step < until) ?? stages.at(-1)!;
      return {
        parts: sides.cond.map(({ weight, stages }) => ({ weight, embedding: long.get(now(stages).embedding)! })),
        uncond: sides.uncond && now(sides.uncond.stages).embedding,
      };
    },
  };
}

/** Both prompts as rows of tokens, and what of them did not fit. */
function readParts(
  { prompt, negativePrompt, promptSyntax }: PromptSettings,
  tokenizer: ClipTokenizer,
  steps: number,
): { parts: Part[]; dropped: Record<ToldText["of"], string> } {
  const sides = [
    ["cond", prompt],
    ["uncond", negativePrompt],
  ] as const;
  const dropped = { cond: "", uncond: "" };
  if (promptSyntax === "plain") {
    const parts = sides.map(([of, text]): Part => {
      const { ids, dropped: rest } = tokenizer.row(text);
      dropped[of] = rest;
      const rows = [{ ids, weights: ids.map(() => 1) }];
      return { of, part: 0, weight: 1, stages: [{ until: steps, text, rows }] };
    });
    return { parts, dropped };
  }
  const parts = sides.flatMap(([of, text]) =>
    // The web UI composes the prompt alone.
    readPrompt(text, { steps, composition: of === "cond" }).map(({ weight, stages }, part): Part => {
      const chunked = new Map(stages.map((stage) => [stage.text, chunkPrompt(stage.fragments, tokenizer)]));
      const most = Math.max(...[...chunked.values()].map((rows) => rows.length));
      const { ids } = tokenizer.row("");
      const empty = { ids, weights: ids.map(() => 1) };
      // All texts of a prompt get as many rows as the longest, as the web UI gives them.
      for (const rows of chunked.values()) while (rows.length < most) rows.push(empty);
      return { of, part, weight, stages: stages.map(({ until, text }) => ({ until, text, rows: chunked.get(text)! })) };
    }),
  );
  return { parts, dropped };
}

async function encodeRows(
  rows: readonly (readonly number[])[],
  { clipSkip = 1 }: PromptSettings,
  { networks, known, signal }: WordTools,
): Promise<void> {
  const missing = [...new Map(rows.map((ids) => [keyOf(ids), ids]))].filter(([key]) => !known.has(key));
  for (let start = 0; start < missing.length; start += BATCH) {
    const batch = missing.slice(start, start + BATCH);
    const ids = int64(
      [batch.length, batch[0]![1].length],
      batch.flatMap(([, row]) => row),
    );
    const { data } = await networks.encodeText(ids, clipSkip - 1, signal);
    const size = data.length / batch.length;
    for (const [i, [key]] of batch.entries()) known.set(key, data.slice(i * size, (i + 1) * size));
  }
}

/** The stages of one part with their embeddings [1, tokens, channels]; those of one text share one. */
function embed(
  stages: readonly Stage[],
  known: ReadonlyMap<string, Float32Array>,
  { emphasis }: PromptSettings,
  emptyKey: string,
): (Stage & { embedding: Tensor<"float32"> })[] {
  const times = new Map<string, number>();
  for (const { text } of stages) times.set(text, (times.get(text) ?? 0) + 1);
  const distinct = [...new Map(stages.map((stage) => [stage.text, stage])).values()];
  const texts = distinct.map(({ text, rows }) =>
    rows.map(
      ({ ids, weights }): EmphasizedRow => ({ embedding: known.get(keyOf(ids))!, weights, times: times.get(text)! }),
    ),
  );
  const embeddings = new Map(
    emphasize(texts, emphasis, known.get(emptyKey)).map((rows, i) => {
      const { text, rows: weighted } = distinct[i]!;
      const tokens = weighted.reduce((sum, { ids }) => sum + ids.length, 0);
      const data = joined(Float32Array, ...rows);
      return [text, float32([1, tokens, data.length / tokens], data)];
    }),
  );
  return stages.map((stage) => ({ ...stage, embedding: embeddings.get(stage.text)! }));
}

/** As long as the longest part of the composition: the last token's vector again and again, as the web UI does it. */
function lengthened(embedding: Tensor<"float32">, length: number): Tensor<"float32"> {
  const [, tokens, channels] = embedding.shape as [number, number, number];
  if (tokens === length) return embedding;
  const last = embedding.data.subarray(-channels);
  return float32(
    [1, length, channels],
    joined(Float32Array, embedding.data, ...Array<Float32Array>(length - tokens).fill(last)),
  );
}

const keyOf = (ids: readonly number[]): string => ids.join();

function about({ of, part, weight }: Part, { until, text }: Stage): ToldText {
  return { of, part, weight, until, text };
}

function idsOf({ rows }: Stage): Tensor<"int64"> {
  return int64(
    [rows.length, rows[0]!.ids.length],
    rows.flatMap(({ ids }) => ids),
  );
}

function tokensOf(stage: Stage): { ids: Tensor<"int64">; weights: Tensor<"float32"> } {
  const ids = idsOf(stage);
  const weights = stage.rows.flatMap((row) => row.weights);
  return { ids, weights: float32(ids.shape, weights) };
}
