import type { Inkling } from "../../pipelines/index.ts";
import { type LanguageModel, openLanguageModel } from "../../pipelines/index.ts";
import type { Models } from "../models.ts";

/** Models that are looked into, apart from those that draw: neither takes the other's networks from memory. */
export interface Explainer {
  /** One at a time: another name closes the one before. */
  inkling(name?: string): Promise<Inkling>;
  /** GPT-2, on the same machine. */
  writer(): Promise<LanguageModel>;
  close(): Promise<void>;
}

export function createExplainer({ loadApart }: Pick<Models, "loadApart">): Explainer {
  let held: { readonly name: string | undefined; readonly inkling: Inkling } | undefined;
  let writer: LanguageModel | undefined;

  async function close(): Promise<void> {
    const closing = held;
    // The writer ends with the runtime that it is on.
    [held, writer] = [undefined, undefined];
    await closing?.inkling.close();
  }

  async function inkling(name?: string): Promise<Inkling> {
    if (held && held.name === name) return held.inkling;
    await close();
    held = { name, inkling: await loadApart(name) };
    return held.inkling;
  }

  return {
    inkling,
    async writer() {
      writer ??= await openLanguageModel(undefined, (await inkling(held?.name)).parts.runtime);
      return writer;
    },
    close,
  };
}
