import type * as common from "onnxruntime-web";
import type { DType, Tensor } from "../tensor/index.ts";
import type { Session } from "./runtime.ts";

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
}

function toOrt(ort: Ort, { dtype, data, shape }: Tensor): common.Tensor {
  return new ort.Tensor(dtype as "float32", data as Float32Array, shape as number[]);
}

function fromOrt(t: common.Tensor): Tensor {
  return { dtype: t.type as DType, shape: [...t.dims], data: t.data as Float32Array };
}
