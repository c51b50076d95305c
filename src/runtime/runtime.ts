import type { OnnxModel } from "../graph/index.ts";
import type { Tensor } from "../tensor/index.ts";

export const devices = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof devices)[number];

/** A graph with its weights in memory. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** It was released, or what it ran in has ended: it will not run again. */
  readonly ended: boolean;
  /** Computes every output, or only those named. Rejects when the signal fires; the work itself ends in its own time. */
  run(feeds: Readonly<Record<string, Tensor>>, options?: { signal?: AbortSignal }): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

export interface SessionOptions {
  /** Stops a load at once, by ending what does the loading. */
  readonly signal?: AbortSignal;
}

/** Where graphs run. Owns whatever it started: close it. */
export interface Runtime {
  readonly device: Device;
  createSession(model: OnnxModel, options?: SessionOptions): Promise<Session>;
  close(): Promise<void>;
}

export interface RuntimeOptions {
  readonly device: Device;
  /** Threads of the cpu provider. Default: one per core. */
  readonly threads?: number;
  /** Fail when a node would be placed on the CPU although the device is another. Default false. */
  readonly strict?: boolean;
}
