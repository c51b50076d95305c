import { rmSync } from "node:fs";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../graph/index.ts";
import { openModel } from "./ahead.ts";
import {
  findEntry,
  flushEntry,
  GRAPH,
  isFlushed,
  NoRoom,
  newDraft,
  PREPARED_LIMIT,
  placeDraft,
  removeEntry,
  WEIGHTS,
} from "./prepared-folder.ts";
import { ingredientsOf, keyOf } from "./prepared-key.ts";
import { shareWeights } from "./prepared-sharing.ts";
import type { PreparedOptions } from "./runtime.ts";

/** Smaller networks load as fast without. */
const SMALLEST = 8 * 2 ** 20;
/**
 * Writing the weights makes a load longer. Small networks are therefore prepared when all else is done; for large ones,
 * which take as long again, nobody would want a second load, and opened anew they take half the memory.
 */
const AT_ONCE_FROM = 2 ** 30;
/**
 * What an entry may take: packed weights, some of them twice since other nodes read them as they are, and the larger ones
 * of convolutions that are computed in another form. Up to 1.9 times the weights was seen, of small networks 240 MiB more.
 */
const largestSize = (weightBytes: number): number => 2 * weightBytes + 2 ** 28;

interface Making {
  readonly model: OnnxModel;
  readonly options: InferenceSession.SessionOptions;
  readonly key: string;
}

interface Ort {
  readonly InferenceSession: {
    create(model: string | Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly env: { readonly versions: { readonly node?: string } };
}

/** Makes sessions, of prepared weights where it can. */
export interface PreparedSessions {
  /**
   * A session with `options`: of weights that were prepared before, else made of the graph. Those of a large network are
   * prepared then. Either gives the same numbers. What prevents that leads to a session without, and is told once by
   * `onNote`.
   */
  create(
    model: OnnxModel,
    options: InferenceSession.SessionOptions,
    onNote?: (line: string) => void,
  ): Promise<InferenceSession>;
  /** Prepares small networks for the next time, and waits until all is on the disk. Call it when nothing else is to be done. */
  finish(): Promise<void>;
}

/** ONNX Runtime folds constants and packs weights once, and keeps both in a file that the next session maps. */
export function preparedSessions(ort: Ort, { folder, limit = PREPARED_LIMIT }: PreparedOptions): PreparedSessions {
  const inUse = new Set<string>();
  const later = new Map<string, Making>();
  let flushing = Promise.resolve();
  let told = false;

  /** Nothing is optimised again, and nothing is read before it is needed. */
  const open = (path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> => {
    const { model_external_initializers_file_folder_path: _, ...session } = settingsOf(options);
    const settings = { ...options, graphOptimizationLevel: "disabled", extra: { session } } as const;
    return ort.InferenceSession.create(join(path, GRAPH), settings);
  };

  async function find(key: string, options: InferenceSession.SessionOptions): Promise<InferenceSession | undefined> {
    const path = findEntry(folder, key);
    if (path === undefined) return undefined;
    try {
      return keep(key, await open(path, options));
    } catch {
      removeEntry(folder, key);
      return undefined;
    }
  }

  /** The session, whose entry stays while it is there. */
  function keep(key: string, session: InferenceSession): InferenceSession {
    inUse.add(key);
    const release = session.release.bind(session);
    session.release = () => {
      inUse.delete(key);
      return release();
    };
    if (!isFlushed(join(folder, key))) flushing = flushing.then(() => settle(key));
    return session;
  }

  /** Beside whatever is computed then. What fails here costs room, or another preparation after a restart of the system. */
  async function settle(key: string): Promise<void> {
    await shareWeights(folder, key).catch(() => {});
    await flushEntry(join(folder, key)).catch(() => {});
  }

  /** Prepares, and gives the session that did so. */
  async function make({ model, options, key }: Making): Promise<InferenceSession> {
    const draft = newDraft(folder, { wanted: largestSize(model.weightBytes), limit, inUse });
    const drop = () => rmSync(draft, { recursive: true, force: true });
    const session = await openModel(ort, model, saving(options, draft, { packed: !model.ahead })).catch(
      (error: unknown) => {
        drop();
        throw error;
      },
    );
    try {
      placeDraft(draft, folder, { key, name: model.name });
    } catch (error) {
      drop();
      await session.release();
      throw error;
    }
    return session;
  }

  return {
    async create(model, options, onNote = () => {}) {
      const plain = () => openModel(ort, model, options);
      if (model.weightBytes < SMALLEST) return plain();
      const level = options.graphOptimizationLevel!;
      let key: string;
      try {
        key = keyOf(ingredientsOf(model, level, ort.env.versions.node ?? ""));
      } catch {
        // A file is missing, of which the session itself tells more.
        return plain();
      }
      const known = await find(key, options);
      if (known) return known;
      // What was made ahead would take as long again, too.
      if (model.weightBytes < AT_ONCE_FROM && !model.ahead) {
        later.set(key, { model, options, key });
        return plain();
      }
      try {
        const session = await make({ model, options, key });
        const opened = await find(key, options);
        if (!opened) return keep(key, session);
        await session.release();
        return opened;
      } catch (error) {
        const session = await plain();
        if (!told) onNote(`Prepared weights are not kept in ${folder}: ${reasonOf(error)}.`);
        told = true;
        return session;
      }
    },
    async finish() {
      for (const making of later.values()) {
        if (findEntry(folder, making.key) !== undefined) continue;
        const session = await make(making).catch(() => undefined);
        if (session) await keep(making.key, session).release();
      }
      later.clear();
      await flushing;
    },
  };
}

/**
 * Options that write, beside making the session, the graph as it was optimised and the weights, `packed` as kernels read them.
 * Packed codes among packed numbers are not found again by ONNX Runtime 1.30: what it then computes is noise.
 */
function saving(
  options: InferenceSession.SessionOptions,
  draft: string,
  { packed }: { readonly packed: boolean },
): InferenceSession.SessionOptions {
  return {
    ...options,
    optimizedModelFilePath: join(draft, GRAPH),
    extra: {
      session: {
        ...settingsOf(options),
        optimized_model_external_initializers_file_name: WEIGHTS,
        optimized_model_external_initializers_min_size_in_bytes: "1024",
        ...(packed && { save_external_prepacked_constant_initializers: "1" }),
      },
    },
  };
}

/** What has no name of its own among the options. */
function settingsOf({ extra }: InferenceSession.SessionOptions): Readonly<Record<string, unknown>> {
  return (extra as { session?: Record<string, unknown> } | undefined)?.session ?? {};
}

/** What the system or the folder says; what ONNX Runtime says of a file that it could not write is for its makers. */
function reasonOf(error: unknown): string {
  const told = error instanceof NoRoom || (error as NodeJS.ErrnoException).code !== undefined;
  return told ? (error as Error).message : "they could not be written";
}
