import type { InferenceSession } from "onnxruntime-web";
import type { OnnxModel } from "../graph/index.ts";
import { abilitiesOf } from "./abilities.ts";
import { keepingOn, type Opened, toSession } from "./ort.ts";
import type { Runtime, RuntimeOptions, Session, SessionOptions } from "./runtime.ts";

export type { Device, Runtime, RuntimeOptions, Session, SessionOptions } from "./runtime.ts";

export interface WebRuntimeOptions extends Omit<RuntimeOptions, "prepared" | "freed"> {
  readonly device: "cpu" | "webgpu";
  /**
   * Where ONNX Runtime's WebAssembly lies: a folder with its closing slash, or each file's address. Default: beside the
   * script that holds the runtime, where bundlers put it. Nothing is ever fetched from elsewhere.
   */
  readonly wasm?: string | { readonly wasm: string; readonly mjs: string };
  /**
   * The bytes of a file of weights, or the address to fetch it from. Default: the address that the graph gives, its
   * folder being one. A file is held in memory whole, while its session is made.
   */
  readonly weights?: (address: string) => Uint8Array | string | Promise<Uint8Array | string>;
}

/**
 * ONNX Runtime in a page: "webgpu" on the graphics card, "cpu" in WebAssembly. Where the calls should not hold up the
 * page, make it in a worker. More than one thread needs a cross-origin isolated page.
 */
export function createWebRuntime(options: WebRuntimeOptions): Runtime {
  const { device, threads, strict = false, wasm, weights = (address) => address } = options;
  const open = new Set<Opened>();
  const runtime: Runtime = {
    device,
    async createSession(model: OnnxModel, { keep, signal }: SessionOptions = {}): Promise<Session> {
      const ort = await import("onnxruntime-web/webgpu");
      if (wasm) ort.env.wasm.wasmPaths = wasm;
      if (threads) ort.env.wasm.numThreads = threads;
      const files = model.locations.map(async (path) => ({ path, data: await weights(model.folder + path) }));
      const settings: InferenceSession.SessionOptions = {
        executionProviders: [device === "cpu" ? "wasm" : device],
        ...keepingOn(device, keep),
        graphOptimizationLevel: "all",
        logSeverityLevel: 3,
        externalData: await Promise.all(files),
        ...(strict && device !== "cpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
      };
      signal?.throwIfAborted();
      const inner = await ort.InferenceSession.create(model.bytes, settings);
      // What loads is this very page: it cannot be ended, only its result be given up.
      if (signal?.aborted) await inner.release();
      signal?.throwIfAborted();
      return toSession(ort, inner, open, { keep });
    },
    async close() {
      for (const session of [...open]) await session.end();
    },
  };
  return { ...runtime, abilities: abilitiesOf(runtime, hasFloat16) };
}

/** Of the page's graphics device, which the runtime asks for all that it has. */
async function hasFloat16(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<{ features: ReadonlySet<string> } | null> } };
  return (await gpu?.requestAdapter())?.features.has("shader-f16") ?? false;
}
