import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../graph/index.ts";

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
  if (!ahead) return ort.InferenceSession.create(bytes, options);
  const data = new Uint8Array(ahead.bytes);
  for (const { model, places } of ahead.pieces) {
    const session = await ort.InferenceSession.create(model.bytes, pieceOptions(options, model.folder));
    const results = await session.run({});
    for (const [name, place] of Object.entries(places)) {
      const { buffer, byteOffset, byteLength } = results[name]!.data as Uint8Array;
      data.set(new Uint8Array(buffer, byteOffset, byteLength), place);
    }
    await session.release();
  }
  return ort.InferenceSession.create(bytes, { ...options, externalData: [{ path: ahead.location, data }] });
}

/** Run once, a piece is neither optimised nor watched. */
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
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  };
}
