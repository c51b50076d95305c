import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import type { Ahead, OnnxModel } from "../graph/index.ts";
import { makeAhead } from "./ahead.ts";
import { GRAPH, WEIGHTS } from "./prepared-folder.ts";

type Options = InferenceSession.SessionOptions;

interface Ort {
  readonly InferenceSession: { create(model: Uint8Array, options: Options): Promise<InferenceSession> };
}

/**
 * Writes a network into a folder: its graph as ONNX Runtime optimised it, and its weights as nothing has to be computed of them
 * any more. Those that a graph wants made ahead are written piece by piece, and the graph, which then has nothing to fold,
 * goes on to refer to them where they lie; of others ONNX Runtime folds all, and holds all until the last is written.
 */
export async function writePrepared(ort: Ort, model: OnnxModel, options: Options, folder: string): Promise<void> {
  const { ahead, bytes } = model;
  if (ahead) await writeAhead(ort, ahead, options, folder);
  const weights = ahead
    ? { model_external_initializers_file_folder_path: folder }
    : {
        optimized_model_external_initializers_file_name: WEIGHTS,
        optimized_model_external_initializers_min_size_in_bytes: "1024",
      };
  const session = await ort.InferenceSession.create(ahead ? ahead.graph : bytes, {
    ...options,
    optimizedModelFilePath: join(folder, GRAPH),
    // Nobody will run it.
    extra: { session: { ...settingsOf(options), ...weights, disable_prepacking: "1" } },
  });
  await session.release();
}

async function writeAhead(ort: Ort, ahead: Ahead, options: Options, folder: string): Promise<void> {
  const file = await open(join(folder, ahead.location), "wx");
  try {
    await makeAhead(ort, ahead, options, (made, place) => writeAll(file, made, place));
  } finally {
    await file.close();
  }
}

/** The system may take less at once than it is given: the next call tells why, or takes the rest. */
async function writeAll(file: FileHandle, bytes: Uint8Array, place: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += (await file.write(bytes, done, bytes.length - done, place + done)).bytesWritten;
  }
}

/** What has no name of its own among the options. */
export function settingsOf({ extra }: Options): Readonly<Record<string, unknown>> {
  return (extra as { session?: Record<string, unknown> } | undefined)?.session ?? {};
}
