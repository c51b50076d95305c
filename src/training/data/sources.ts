import { createHash } from "node:crypto";
import { decodePicture } from "../../image/index.ts";
import { InputError } from "../../tensor/index.ts";
import { oneOf } from "./chance.ts";
import type { Dataset, Skipped } from "./dataset.ts";
import type { Description } from "./description.ts";

/** Where a picture file and what is said of it come from. Either throws InputError where something is wrong with it. */
export interface Source {
  readonly key: string;
  /** For messages. */
  readonly name: string;
  bytes(): Promise<Uint8Array>;
  described(): Promise<Description>;
}

/** Picture files as a {@link Dataset}, with places for what is known to be unusable. */
export function datasetOf(name: string, sources: readonly (Source | Skipped)[]): Dataset {
  return {
    name,
    length: sources.length,
    async at(index, { chance, signal } = {}) {
      const source = sources[index]!;
      if ("skipped" in source) return source;
      try {
        const { captions, attributes } = await source.described();
        const picture = await decodePicture(await source.bytes(), source.name, "white");
        signal?.throwIfAborted();
        const caption = chance ? oneOf(chance, captions) : captions[0]!;
        return { key: source.key, picture, caption, ...(attributes && { attributes }) };
      } catch (error) {
        if (error instanceof InputError) return { key: source.key, skipped: error.message };
        throw error;
      }
    },
    async identify(index) {
      const source = sources[index]!;
      if ("skipped" in source) return source.key;
      const nothing = (error: unknown): undefined => {
        if (!(error instanceof InputError)) throw error;
      };
      const described = await source.described().catch(nothing);
      const hash = createHash("sha256").update(JSON.stringify(described ?? null));
      return hash.update((await source.bytes().catch(nothing)) ?? "").digest("hex");
    },
  };
}
