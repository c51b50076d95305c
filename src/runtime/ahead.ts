import type { InferenceSession } from "onnxruntime-node";
import type { Ahead, OnnxModel } from "../graph/index.ts";

interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
}

/** A session of a graph as it was written, its codes made first. */
export async function openModel(
  ort: Ort,
  { bytes, ahead }: OnnxModel,
  options: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  if (!ahead?.smaller) return ort.InferenceSession.create(bytes, options);
  const data = new Uint8Array(ahead.bytes);
  await makeAhead(ort, ahead, options, async (made, place) => data.set(made, place));
  return ort.InferenceSession.create(ahead.graph, { ...options, externalData: [{ path: ahead.location, data }] });
}

/**
 * Computes what a graph refers to, piece by piece. `keep` gets each result with the place where it belongs; what it does
 * goes on beside the next piece, so that two are in memory at most.
 */
export async function makeAhead(
  ort: Ort,
  { pieces }: Pick<Ahead, "pieces">,
  options: InferenceSession.SessionOptions,
  keep: (made: Uint8Array, place: number) => Promise<void>,
): Promise<void> {
  let kept: Promise<unknown> = Promise.resolve();
  try {
    for (const { model, places } of pieces) {
      const session = await ort.InferenceSession.create(model.bytes, pieceOptions(options, model.folder));
      const results = await session.run({});
      await session.release();
      await kept;
      kept = Promise.all(Object.entries(places).map(([name, place]) => keep(bytesOf(results[name]!), place)));
      // It is awaited after the next piece, and until then nobody's fault.
      kept.catch(() => {});
    }
  } finally {
    await kept;
  }
}

function bytesOf({ data }: InferenceSession.OnnxValueMapType[string]): Uint8Array {
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Run once, a piece is neither optimised nor watched, and computes as a graph's constants are folded. */
function pieceOptions(
  { intraOpNumThreads, logSeverityLevel }: InferenceSession.SessionOptions,
  folder: string,
): InferenceSession.SessionOptions {
  return {
    executionProviders: ["cpu"],
    intraOpNumThreads,
    logSeverityLevel,
    graphOptimizationLevel: "disabled",
    enableMemPattern: false,
    extra: { session: { model_external_initializers_file_folder_path: folder, disable_prepacking: "1" } },
  };
}
