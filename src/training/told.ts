import { clipText } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, int64, type Tensor } from "../tensor/index.ts";
import { remembered, type TensorCache } from "./data/cache.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import { openFrozen } from "./frozen.ts";
import { memoryCache } from "./memory-cache.ts";

/** Captions as the loss wants them (see `diffusionLoss`). */
export interface Told {
  of(captions: readonly string[]): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** Captions as ids, for a text encoder that learns too. */
export function toldAsIds({ words }: DiffusionModel): Told {
  return {
    async of(captions) {
      const ids = captions.flatMap((caption) => words.row(caption).ids);
      return { ids: int64([captions.length, words.maxLength], ids) };
    },
    async close() {},
  };
}

/**
 * Captions as a frozen text encoder says them.
 *
 * @param options.cacheOf gives the cache of what it said
 */
export async function toldAsEmbeddings(
  { words, textEncoder, config: { text } }: DiffusionModel,
  runtime: Runtime,
  { cacheOf }: { readonly cacheOf?: (network: "text encoder") => TensorCache },
): Promise<Told> {
  const cache = memoryCache(cacheOf?.("text encoder"));
  const { maxLength: tokens } = words;
  const session = await openFrozen({ weights: textEncoder.weights! }, clipText(text, { tokens }), runtime, 1);
  const size = tokens * text.hidden_size;
  return {
    async of(captions) {
      const all = new Float32Array(captions.length * size);
      for (const [i, caption] of captions.entries()) {
        const encode = () => session.run({ input_ids: int64([1, tokens], words.row(caption).ids) });
        const { last_hidden_state: told } = await remembered(cache, caption, encode);
        all.set(told!.data as Float32Array, i * size);
      }
      return { encoder_hidden_states: float32([captions.length, tokens, text.hidden_size], all) };
    },
    close: () => session.release(),
  };
}
