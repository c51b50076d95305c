import { join } from "node:path";
import type { AdapterFormat } from "../configs/index.ts";
import type { Graph } from "../graph/index.ts";
import { saveBytes } from "../image/index.ts";
import { pseudoWordFeeds } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, InputError, int64 } from "../tensor/index.ts";
import { withPseudoWords } from "../text/index.ts";
import { encodeSafetensors, readWeight } from "../weights/index.ts";
import { type DiffusionBatchOptions, openDiffusionBatches } from "./diffusion-batches.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { frozenWeights } from "./frozen.ts";
import type { Lesson } from "./lesson.ts";
import { diffusionLoss } from "./losses/diffusion.ts";
import type { Told } from "./told.ts";

export interface InversionLessonOptions extends DiffusionBatchOptions {
  /** The word as captions have it. */
  readonly name: string;
  /** How many vectors stand for it. */
  readonly vectors: number;
  /** Words whose vectors it begins with. */
  readonly init: string;
  /** diffusers names the tensor by the word, A1111 calls it emb_params and the word by the file. */
  readonly format: AdapterFormat;
  /** The file that is written to the run's folder. */
  readonly file: string;
}

/**
 * Textual inversion (Gal et al. 2022, eq. 2): the vectors of one new word learn, everything else stays as it is in its files.
 *
 * @throws InputError where the size does not fit the model, or its weights do not fit its configuration, or `init` says nothing
 */
export async function inversionLesson(
  model: DiffusionModel,
  runtime: Runtime,
  options: InversionLessonOptions,
): Promise<Lesson> {
  const { name, vectors, format, file } = options;
  const { config, noise, words } = model;
  const begin = await beginning(model, options);
  const told = () => toldWithWord(model, options);
  const { height, width, of: batch, close } = await openDiffusionBatches(model, options, runtime, told);
  const loss = (count: number): Graph =>
    diffusionLoss(
      { unet: config.unet, text: config.text, vectors, prediction: noise.prediction },
      { batch: count, height, width, tokens: words.maxLength },
    );
  return {
    loss,
    frozen: frozenWeights(loss(1), model, () => false),
    initial: () => begin,
    batch,
    async write(folder, weights) {
      const learnt = float32([vectors, config.text.hidden_size], weights.get("vectors")!);
      const tensors = { [format === "kohya" ? "emb_params" : name]: learnt };
      await saveBytes(join(folder, file), encodeSafetensors(tensors), { overwrite: true });
    },
    close,
  };
}

/** Captions as ids, and where in them the word's vectors stand. */
function toldWithWord({ words, config }: DiffusionModel, { name, vectors }: InversionLessonOptions): Told {
  const { vocab_size: vocabSize } = config.text;
  const known = withPseudoWords(words, [{ name, vectors }], vocabSize);
  return {
    async of(captions) {
      const rows = captions.flatMap((caption) => known.row(caption).ids);
      const { input_ids: ids, places } = pseudoWordFeeds(
        int64([captions.length, words.maxLength], rows),
        vocabSize,
        vectors,
      );
      return { ids, places };
    },
    async close() {},
  };
}

/** The vectors of the words that it begins with, spread over its own as A1111 does. */
async function beginning(
  { words, textEncoder, config }: DiffusionModel,
  { init, vectors }: InversionLessonOptions,
): Promise<Float32Array> {
  const ids = words.encode(init).slice(1, -1);
  if (ids.length === 0)
    throw new InputError(`"${init}" is no word to begin with: say what the pictures show, such as "cat".`);
  const table = await readWeight(textEncoder.weights!, "text_model.embeddings.token_embedding.weight");
  const width = config.text.hidden_size;
  const begin = new Float32Array(vectors * width);
  for (let i = 0; i < vectors; i++) {
    const id = ids[Math.floor((i * ids.length) / vectors)]!;
    begin.set(table.subarray(id * width, (id + 1) * width), i * width);
  }
  return begin;
}
