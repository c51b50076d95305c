import type * as common from "onnxruntime-web";
import type { DType, Tensor } from "../tensor/index.ts";
import type { Feeds, KeptTensor, Session } from "./runtime.ts";

/** What ONNX Runtime's packages for Node and for pages have in common. */
export interface Ort {
  readonly Tensor: typeof common.Tensor;
}

/** A session of either package as ours; it is in `open` until it is released. */
export function toSession(ort: Ort, inner: common.InferenceSession, open: Set<Session>): Session {
  const session: Session = {
    inputNames: inner.inputNames,
    outputNames: inner.outputNames,
    get ended() {
      return !open.has(session);
    },
    async run(feeds) {
      return (await session.runKeeping([], feeds)).outputs;
    },
    async runKeeping(keep, feeds) {
      const results = await inner.run(toOrt(ort, feeds));
      const outputs: Record<string, Tensor> = {};
      const kept: Record<string, KeptTensor> = {};
      for (const [name, t] of Object.entries(results)) {
        if (keep.includes(name)) kept[name] = new Kept(t);
        else outputs[name] = fromOrt(t);
      }
      return { outputs, kept };
    },
    async release() {
      if (open.delete(session)) await inner.release();
    },
  };
  open.add(session);
  return session;
}

/** An output as the runtime gave it. */
class Kept implements KeptTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  tensor: common.Tensor | undefined;
  constructor(tensor: common.Tensor) {
    this.tensor = tensor;
    this.dtype = tensor.type as DType;
    this.shape = tensor.dims;
  }
  get ended(): boolean {
    return this.tensor === undefined;
  }
  dispose(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
  }
}

/** What was given up is fed by mistake. */
export function disposed(name: string): Error {
  return new Error(`"${name}" was disposed of: its numbers are gone.`);
}

function toOrt(ort: Ort, feeds: Feeds): Record<string, common.Tensor> {
  const given = Object.entries(feeds).map(([name, feed]) => {
    if (feed instanceof Kept) {
      if (!feed.tensor) throw disposed(name);
      return [name, feed.tensor] as const;
    }
    if (!("data" in feed))
      throw new TypeError(`"${name}" was kept by another runtime: a kept tensor stays with its own.`);
    return [name, new ort.Tensor(feed.dtype as "float32", feed.data as Float32Array, feed.shape as number[])] as const;
  });
  return Object.fromEntries(given);
}

function fromOrt(t: common.Tensor): Tensor {
  return { dtype: t.type as DType, shape: [...t.dims], data: t.data as Float32Array };
}
