import type * as common from "onnxruntime-web";
import type { DType, Tensor } from "../tensor/index.ts";
import type { Device, Feeds, KeptTensor, Outputs, Session, SessionOptions, TensorLocation } from "./runtime.ts";

/** What ONNX Runtime's packages for Node and for pages have in common. */
export interface Ort {
  readonly Tensor: typeof common.Tensor;
}

type Settings = common.InferenceSession.SessionOptions;

/** What a session has to be told for its outputs to stay on a graphics device. */
export function keepingOn(device: Device, keep: readonly string[] = []): Pick<Settings, "preferredOutputLocation"> {
  if (device !== "webgpu" || keep.length === 0) return {};
  return { preferredOutputLocation: Object.fromEntries(keep.map((name) => [name, "gpu-buffer" as const])) };
}

/** A session that is open, or lingers for what it keeps on a graphics device. */
export interface Opened {
  /** Ends it and what it keeps there. */
  end(): Promise<void>;
}

/** A session of either package as ours; it is in `open` until nothing is left of it. */
export function toSession(
  ort: Ort,
  inner: common.InferenceSession,
  open: Set<Opened>,
  { keep = [] }: Pick<SessionOptions, "keep">,
): Session {
  // Disposed of after the session that made it, a tensor on a device ends the process: the session waits for the last one.
  const onDevice = new Set<Kept>();
  let released = false;
  const opened: Opened = {
    async end() {
      released = true;
      if (!open.delete(opened)) return;
      for (const tensor of onDevice) tensor.dispose();
      await inner.release();
    },
  };
  const keeping = (tensor: common.Tensor): Kept => {
    const kept = new Kept(tensor, () => {
      if (onDevice.delete(kept) && onDevice.size === 0 && released) void opened.end();
    });
    if (kept.location !== "cpu") onDevice.add(kept);
    return kept;
  };
  const session: Session = {
    inputNames: inner.inputNames,
    outputNames: inner.outputNames,
    get ended() {
      return released;
    },
    async run(feeds) {
      return numbersOf(await session.runKeeping(feeds));
    },
    async runKeeping(feeds, { into = {} } = {}) {
      const places = Object.entries(into).flatMap(([name, place]) =>
        place instanceof Kept && place.tensor?.location === "cpu" ? [[name, place.tensor] as const] : [],
      );
      const fetches = Object.fromEntries([...inner.outputNames.map((name) => [name, null] as const), ...places]);
      const results = await inner.run(toOrt(ort, feeds), fetches);
      const outputs: Record<string, Tensor> = {};
      const kept: Record<string, KeptTensor> = {};
      for (const [name, t] of Object.entries(results)) {
        if (fetches[name]) kept[name] = into[name]!;
        else if (keep.includes(name)) kept[name] = keeping(t);
        else outputs[name] = fromOrt(t);
      }
      return { outputs, kept };
    },
    async release() {
      released = true;
      if (onDevice.size === 0) await opened.end();
    },
  };
  open.add(opened);
  return session;
}

/** What came of a run without what it kept, which is let go. */
export function numbersOf({ outputs, kept }: Outputs): Outputs["outputs"] {
  for (const tensor of Object.values(kept)) tensor.dispose();
  return outputs;
}

/** An output as the runtime gave it. */
class Kept implements KeptTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly location: TensorLocation;
  tensor: common.Tensor | undefined;
  readonly #onEnd: () => void;
  constructor(tensor: common.Tensor, onEnd: () => void) {
    this.tensor = tensor;
    this.dtype = tensor.type as DType;
    this.shape = tensor.dims;
    this.location = tensor.location as TensorLocation;
    this.#onEnd = onEnd;
  }
  get ended(): boolean {
    return this.tensor === undefined;
  }
  dispose(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
    this.#onEnd();
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
