import { resolveModel } from "../hub/index.ts";
import { type Picture, type PictureSource, preprocess, readPicture } from "../image/index.ts";
import { clipTextFeatures, clipVision, textEnds } from "../models/index.ts";
import { type Device, explainFailure } from "../runtime/index.ts";
import { InputError, int64, type Tensor } from "../tensor/index.ts";
import { type ClipTokenizer, createClipTokenizer, readTokenizerConfig } from "../text/index.ts";
import { type ClipFiles, findNonFinite, openClipFolder } from "../weights/index.ts";
import { startMachine } from "./machine.ts";
import { weightsHash } from "./model-hash.ts";
import type { OpeningOptions, SharedMachineOptions } from "./opening.ts";
import { createSessions, type Network, type Sessions } from "./sessions.ts";

export interface ClipOptions extends SharedMachineOptions, OpeningOptions {}

export interface EmbedOptions {
  readonly signal?: AbortSignal;
}

/** An embedding: `dimension` numbers of unit length, so that the dot product of two is their cosine. */
export type Embedding = Float32Array;

/** CLIP (Radford et al. 2021), ready to say how well pictures and words agree. Its halves are loaded when first needed. */
export interface Clip {
  readonly model: string;
  readonly device: Device;
  /** Numbers of an embedding. */
  readonly dimension: number;
  /** What cosines are multiplied by before a softmax over texts. */
  readonly logitScale: number;
  /** One embedding a picture, in their order. */
  embedPictures(pictures: readonly PictureSource[], options?: EmbedOptions): Promise<Embedding[]>;
  /** One embedding a text, in their order. Of a text that is too long the beginning counts, and a note says so. */
  embedTexts(texts: readonly string[], options?: EmbedOptions): Promise<Embedding[]>;
  /** How well the two agree: see {@link clipScore}. */
  score(picture: PictureSource, text: string, options?: EmbedOptions): Promise<number>;
  /** Names the weights and how pictures are prepared for them: what embeddings can be kept under. */
  fingerprint(): Promise<string>;
  /** Gives back what it holds; a runtime that was handed in stays open. */
  close(): Promise<void>;
}

/** What is sent through a tower at once: more is no faster, and takes more memory. */
const BATCH = 8;

/**
 * Opens a CLIP: the one that comes with the package, a folder in transformers' layout, or a name (see `resolveModel`).
 *
 * @throws InputError when it cannot be found, its files are damaged, or they hold something else
 */
export async function openClip(model?: string, options: ClipOptions = {}): Promise<Clip> {
  const { onNote = () => {}, env = process.env } = options;
  // The inference process takes as long to start as the files take to be looked at: both at once.
  const starting = options.runtime ? undefined : startMachine(options, env);
  const [started, opened] = await Promise.allSettled([starting, openFiles(model, env)]);
  if (started.status === "rejected") throw started.reason;
  const runtime = options.runtime ?? started.value!.runtime;
  const close = async (): Promise<void> => (options.runtime ? await sessions?.release() : await runtime.close());
  let sessions: Sessions | undefined;
  if (opened.status === "rejected") {
    await close();
    throw opened.reason;
  }
  const { name, files, tokenizer } = opened.value;
  const { part, config, image, logitScale } = files;
  if (part.note) onNote(part.note);
  sessions = createSessions(runtime, { onNote, findNonFinite });
  const towers = towersOf(files, tokenizer);
  const ask = async (tower: Network, feeds: Record<string, Tensor>, signal?: AbortSignal): Promise<Embedding[]> => {
    signal?.throwIfAborted();
    try {
      const outputs = await sessions.run(tower, feeds, signal);
      return unitRows(await sessions.finite(Object.values(outputs)[0], tower), tower.name);
    } catch (error) {
      signal?.throwIfAborted();
      throw await explainFailure(error, runtime.device);
    }
  };

  const clip: Clip = {
    model: name,
    device: runtime.device,
    dimension: config.projection,
    logitScale,
    async embedPictures(pictures, { signal } = {}) {
      const found: Embedding[] = [];
      for (const batch of batches(pictures)) {
        const read: Picture[] = [];
        for (const picture of batch) read.push(await readPicture(picture));
        signal?.throwIfAborted();
        found.push(...(await ask(towers.vision, { pixel_values: await preprocess(read, image) }, signal)));
      }
      return found;
    },
    async embedTexts(texts, { signal } = {}) {
      const found: Embedding[] = [];
      for (const batch of batches(texts)) {
        const rows = batch.map((text) => tokenizer.row(text));
        for (const { dropped } of rows) if (dropped) onNote(tooLong(dropped, tokenizer.maxLength));
        const ids = int64(
          [rows.length, tokenizer.maxLength],
          rows.flatMap((row) => row.ids),
        );
        found.push(...(await ask(towers.text, { input_ids: ids, ends: textEnds(ids, config.eos) }, signal)));
      }
      return found;
    },
    async score(picture, text, how) {
      const [words] = await clip.embedTexts([text], how);
      const [seen] = await clip.embedPictures([picture], how);
      return clipScore(seen!, words!);
    },
    async fingerprint() {
      return JSON.stringify([await weightsHash(part.weights, env), config, image]);
    },
    close,
  };
  return clip;
}

/**
 * 100 times the cosine of a picture's and a text's embedding: torchmetrics' CLIPScore without its cut at 0, so that what is
 * below still has an order. (Hessel et al. 2021 say 2.5 · max(cos, 0).) What counts as high differs from one CLIP to
 * another: compare scores of one model only.
 */
export function clipScore(picture: Embedding, text: Embedding): number {
  return 100 * cosine(picture, text);
}

/**
 * How CLIP would divide its belief over `texts`, one of which is taken to be right: the softmax of logitScale · cosine
 * (Radford et al. 2021, figure 3). Adds up to 1.
 */
export function textProbabilities(
  picture: Embedding,
  texts: readonly Embedding[],
  { logitScale }: Pick<Clip, "logitScale">,
): number[] {
  const logits = texts.map((text) => logitScale * cosine(picture, text));
  const largest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** The cosine of two embeddings, −1 to 1. */
export function cosine(a: Embedding, b: Embedding): number {
  if (a.length !== b.length)
    throw new RangeError(`Embeddings of ${a.length} and of ${b.length} numbers do not compare.`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

async function openFiles(model: string | undefined, env: NonNullable<ClipOptions["env"]>) {
  const { name, path } = await resolveModel(model, env, "clip");
  const files = await openClipFolder(path);
  const { merges, vocab, ...configs } = files.tokenizer;
  return { name, files, tokenizer: createClipTokenizer({ merges, vocab, ...readTokenizerConfig(configs) }) };
}

function towersOf({ part, config }: ClipFiles, { maxLength }: ClipTokenizer): { text: Network; vision: Network } {
  const tower = (name: string, build: Network["build"]): Network => ({ name, variant: "", part, partial: true, build });
  return {
    text: tower("CLIP text tower", () => clipTextFeatures(config, { tokens: maxLength })),
    vision: tower("CLIP vision tower", () => clipVision(config)),
  };
}

/** The rows of [B, P], each divided by its length. */
function unitRows({ shape, data }: Tensor<"float32">, name: string): Embedding[] {
  const [batch, width] = shape as [number, number];
  return Array.from({ length: batch }, (_, i) => {
    const row = data.slice(i * width, (i + 1) * width);
    const length = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
    if (length === 0) throw new InputError(`The ${name} gave zeros alone. Its weights are damaged: get them again.`);
    return row.map((x) => x / length);
  });
}

function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += BATCH) yield items.slice(i, i + BATCH);
}

function tooLong(dropped: string, tokens: number): string {
  const first = dropped.length > 40 ? `${dropped.slice(0, 40)}…` : dropped;
  return `A text is longer than the ${tokens} tokens that CLIP reads: what begins with "${first}" was left out.`;
}
