import { listModels } from "../hub/index.ts";
import { modelFacts } from "../pipelines/facts.ts";
import { type Inkling, type LoadOptions, load } from "../pipelines/index.ts";
import { type ModelFacts, resolveSettings } from "../pipelines/resolve.ts";
import type { GenerateSettings, ResolvedSettings } from "../pipelines/settings.ts";
import { type ClipTokenizer, createClipTokenizer, readTokenizerConfig } from "../text/index.ts";
import { ApiError } from "./error.ts";
import type { Drawer } from "./jobs/draw-job.ts";
import type { ModelInfo } from "./schema/options.ts";

/** The models that a server draws with. */
export interface Models {
  list(): ModelInfo[];
  /** What its files say. The first of all where none is named. Throws an ApiError for a name that is not among them. */
  facts(name?: string): Promise<ModelFacts>;
  /** That of its text encoder. */
  tokenizer(name?: string): Promise<ClipTokenizer>;
  /** Settings with nothing left open; throws an InputError for what the model cannot draw. */
  resolve(name: string | undefined, settings: GenerateSettings): Promise<ResolvedSettings>;
  /** Ready to draw; whatever was used least recently gives way. */
  open(name?: string): Promise<Drawer>;
  /** A second one beside those that draw, for whoever closes it. */
  loadApart(name?: string): Promise<Inkling>;
  close(): Promise<void>;
}

/** A model by the name that requests give. */
export interface ServedModel {
  readonly name: string;
  readonly about: string;
  /** What `load` takes. */
  readonly source: string | undefined;
}

export interface ModelsOptions {
  /** The first is taken where a request names none. */
  readonly served: readonly ServedModel[];
  readonly load: LoadOptions;
  /** How many stay in memory. */
  readonly keep: number;
}

/**
 * Those that were asked for; where none were, the embedded one and all with a short name that are on this machine.
 *
 * @throws InputError for one that cannot be found, or is damaged
 */
export async function servedModels(asked: readonly string[], options: LoadOptions): Promise<ServedModel[]> {
  const { env = process.env } = options;
  if (asked.length > 0) {
    const facts = await Promise.all(asked.map((source) => modelFacts(source, options)));
    return asked.map((source, i) => ({ name: facts[i]!.name, about: facts[i]!.checkpoint.name, source }));
  }
  const found = (await listModels(env)).filter((model) => model.kind === "checkpoint" && model.found);
  return found.map(({ name, about }) => ({ name, about, source: name }));
}

/** Models are opened when they are first needed. */
export function createModels({ served, load: options, keep }: ModelsOptions): Models {
  /** The one used last stands last. */
  const loaded = new Map<string, Promise<Inkling>>();
  const known = new Map<string, Promise<ModelFacts>>();
  const defaults = new Map<string, ModelInfo["defaults"]>();

  const find = (name: string | undefined): ServedModel => {
    const model = name === undefined ? served[0] : served.find((each) => each.name === name);
    if (model) return model;
    const names = served.map((each) => each.name).join(", ");
    throw new ApiError("invalid", `There is no model "${name}" here: ${names}.`, { at: "model" });
  };
  const facts = (name?: string): Promise<ModelFacts> => {
    const model = find(name);
    let opening = known.get(model.name);
    if (!opening) {
      opening = modelFacts(model.source, options).then((opened) => {
        const { width, height, steps, guidance, sampler, schedule } = opened.defaults;
        defaults.set(model.name, { width, height, steps, guidance, sampler, schedule });
        return opened;
      });
      known.set(model.name, opening);
      // What could not be opened may be mended: it is tried again.
      opening.catch(() => known.delete(model.name));
    }
    return opening;
  };

  const tokenizers = new WeakMap<ModelFacts, ClipTokenizer>();

  return {
    list: () =>
      served.map(({ name, about }, i) => ({
        name,
        about,
        default: i === 0,
        loaded: loaded.has(name),
        ...(defaults.has(name) && { defaults: defaults.get(name) }),
      })),
    facts,
    async tokenizer(name) {
      const opened = await facts(name);
      const { merges, vocab, ...configs } = opened.checkpoint.tokenizer;
      const tokenizer =
        tokenizers.get(opened) ?? createClipTokenizer({ merges, vocab, ...readTokenizerConfig(configs) });
      tokenizers.set(opened, tokenizer);
      return tokenizer;
    },
    resolve: async (name, settings) => resolveSettings(settings, await facts(name)),
    async open(name) {
      const model = find(name);
      const there = loaded.get(model.name);
      loaded.delete(model.name);
      if (!there) {
        const surplus = [...loaded.keys()].slice(0, Math.max(0, loaded.size - keep + 1));
        // Before the next is loaded: memory may hold no more.
        for (const each of surplus) {
          const old = loaded.get(each)!;
          loaded.delete(each);
          await (await old).close();
        }
      }
      const opening = there ?? load(model.source, options);
      loaded.set(model.name, opening);
      opening.catch(() => loaded.delete(model.name));
      return opening;
    },
    loadApart: (name) => load(find(name).source, options),
    async close() {
      const all = [...loaded.values()];
      loaded.clear();
      await Promise.all(all.map(async (each) => (await each.catch(() => undefined))?.close()));
    },
  };
}
