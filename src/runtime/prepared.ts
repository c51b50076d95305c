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
import { readAhead } from "./prepared-reading.ts";
import { shareWeights } from "./prepared-sharing.ts";
import { settingsOf, writePrepared } from "./prepared-writing.ts";
import type { PreparedOptions } from "./runtime.ts";

/** Smaller networks load as fast without. */
const SMALLEST = 8 * 2 ** 20;

/**
 * What an entry may take: what is made ahead and twice the graph, else weights in float32, and the larger ones of convolutions
 * that are computed in another form, unless told otherwise 0.3 of them or 128 MiB.
 */
function largestSize({ weightBytes, ahead }: OnnxModel): number {
  return ahead ? ahead.bytes + 2 * ahead.graph.length : 2 * weightBytes + 2 ** 28;
}

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

/**
 * ONNX Runtime folds constants once, and keeps what comes of it in a file, which the next session maps. Kernels lay most
 * weights out anew as it loads: written as they lay them out they would be mapped to the end, and what is mapped the system
 * may drop between two steps, as if it were not in use.
 */
export function preparedSessions(ort: Ort, { folder, limit = PREPARED_LIMIT }: PreparedOptions): PreparedSessions {
  const inUse = new Set<string>();
  const later = new Map<string, Making>();
  let flushing = Promise.resolve();
  let told = false;

  /** Nothing is optimised again. */
  async function open(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession> {
    const { model_external_initializers_file_folder_path: _, ...session } = settingsOf(options);
    const settings = { ...options, graphOptimizationLevel: "disabled", extra: { session } } as const;
    const reading = readAhead(join(path, WEIGHTS));
    return ort.InferenceSession.create(join(path, GRAPH), settings).finally(() => reading);
  }

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

  /** Prepares a network, for a session to be made of it then. */
  async function prepare({ model, options, key }: Making): Promise<void> {
    const draft = newDraft(folder, { wanted: largestSize(model), limit, inUse });
    try {
      await writePrepared(ort, model, options, draft);
      placeDraft(draft, folder, { key, name: model.name });
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      throw error;
    }
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
      // Writing makes a load longer. Small networks can wait for it until all else is done; of large ones, which take as long
      // again, nobody would want a second load.
      if (!model.ahead) {
        later.set(key, { model, options, key });
        return plain();
      }
      try {
        await prepare({ model, options, key });
      } catch (error) {
        if (!told) onNote(`Prepared weights are not kept in ${folder}: ${reasonOf(error)}.`);
        told = true;
      }
      return (await find(key, options)) ?? plain();
    },
    async finish() {
      for (const making of later.values()) {
        if (findEntry(folder, making.key) !== undefined) continue;
        await prepare(making).then(
          () => settle(making.key),
          () => {},
        );
      }
      later.clear();
      await flushing;
    },
  };
}

/** What the system or the folder says; what ONNX Runtime says of a file that it could not write is for its makers. */
function reasonOf(error: unknown): string {
  const told = error instanceof NoRoom || (error as NodeJS.ErrnoException).code !== undefined;
  return told ? (error as Error).message : "they could not be written";
}
