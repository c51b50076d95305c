import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../graph/index.ts";
import type { DType, Tensor } from "../tensor/index.ts";
import type { Runtime, RuntimeOptions, Session } from "./runtime.ts";

type Ort = typeof import("onnxruntime-node");
type OrtTensor = import("onnxruntime-node").Tensor;

/**
 * "all" also lays convolutions out in blocks of channels: 10 % faster, but while a graph loads its convolutions' weights
 * are there twice. For SD 2.1's U-Net that was 5.5 instead of 4.5 GiB and a load twice as long, for 4 % of a step.
 */
const BLOCKED_LAYOUT_LIMIT = 2 ** 30;

/**
 * ONNX Runtime in this very process. Its `create` and `run` block the event loop for their whole duration, so only
 * the inference process and short tests use it directly; everything else goes through process.ts.
 */
export function createNodeRuntime({ device, threads, strict = false }: RuntimeOptions): Runtime {
  // Required, not imported: the library is CommonJS and takes 100 ms to load, which only the inference process pays.
  const ort: Ort = createRequire(import.meta.url)("onnxruntime-node");
  const open = new Set<Session>();
  return {
    device,
    async createSession(model: OnnxModel): Promise<Session> {
      const options: InferenceSession.SessionOptions = {
        executionProviders: [device],
        intraOpNumThreads: threads ?? availableParallelism(),
        graphOptimizationLevel: model.weightBytes > BLOCKED_LAYOUT_LIMIT ? "extended" : "all",
        logSeverityLevel: 3,
        extra: {
          session: {
            ...(model.folder && { model_external_initializers_file_folder_path: model.folder }),
            ...(strict && { disable_cpu_ep_fallback: "1" }),
          },
        },
      };
      const inner = await ort.InferenceSession.create(model.bytes, options);
      const session: Session = {
        inputNames: inner.inputNames,
        outputNames: inner.outputNames,
        get ended() {
          return !open.has(session);
        },
        async run(feeds) {
          const given = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, toOrt(ort, t)]));
          const results = await inner.run(given);
          return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, fromOrt(t)]));
        },
        async release() {
          if (open.delete(session)) await inner.release();
        },
      };
      open.add(session);
      return session;
    },
    async close() {
      for (const session of [...open]) await session.release();
    },
  };
}

function toOrt(ort: Ort, { dtype, data, shape }: Tensor): OrtTensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array, shape as number[]);
}

function fromOrt(t: OrtTensor): Tensor {
  return { dtype: t.type as DType, shape: [...t.dims], data: t.data as Float32Array };
}
