import type { AttentionKind, OnnxModel } from "../graph/index.ts";
import type { DType, Tensor } from "../tensor/index.ts";

export const devices = ["cpu", "webgpu", "cuda"] as const;
export type Device = (typeof devices)[number];

/** What computes has ended by itself, or was ended from outside: asked again, it starts anew. */
export class RuntimeEndedError extends Error {
  override readonly name = "RuntimeEndedError";
}

export type TensorLocation = "cpu" | "gpu-buffer";

/**
 * A tensor that stayed where it was computed, a cache for example: fed to sessions of the same runtime without a way
 * through this process, and held until it is disposed of or the runtime ends.
 */
export interface KeptTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Whether its numbers lie in memory or in that of a graphics device. */
  readonly location: TensorLocation;
  /** It was disposed of, or what it lay in has ended. */
  readonly ended: boolean;
  dispose(): void;
}

export type Feeds = Readonly<Record<string, Tensor | KeptTensor>>;

export interface RunOptions {
  readonly signal?: AbortSignal;
  /**
   * What a session keeps is written where these lie, by the outputs' names; such an output may be computed from what lies
   * there, as long as all that reads it is needed for the output. Where that was done the very tensor comes back, else
   * (graphics devices) another one.
   */
  readonly into?: Readonly<Record<string, KeptTensor>>;
}

/** A graph with its weights in memory. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** It was released, or what it ran in has ended: it will not run again. */
  readonly ended: boolean;
  /** Computes every output; those that it keeps are let go. Rejects when the signal fires; the work itself ends in its own time. */
  run(feeds: Feeds, options?: RunOptions): Promise<Record<string, Tensor>>;
  /** As `run`; the outputs that it keeps (see {@link SessionOptions.keep}) stay where they are. */
  runKeeping(feeds: Feeds, options?: RunOptions): Promise<Outputs>;
  /** Lets the weights go. Tensors that it keeps on a graphics device hold them until they are disposed of. */
  release(): Promise<void>;
}

/** What came of a run: numbers, and what stayed where it is. */
export interface Outputs {
  readonly outputs: Record<string, Tensor>;
  readonly kept: Record<string, KeptTensor>;
}

export interface SessionOptions {
  /** Stops a load at once, by ending what does the loading. */
  readonly signal?: AbortSignal;
  /** Outputs that stay where they are computed. Default: none. */
  readonly keep?: readonly string[];
  /** Whether its weights are worth being prepared for the next time (see {@link PreparedOptions}). Default true. */
  readonly prepare?: boolean;
  /** Is told why weights could not be prepared. */
  readonly onNote?: (line: string) => void;
}

/** What one graphics device can do and another cannot. Each is found out by trying it, once. */
export interface Abilities {
  /** Computes in 16-bit floats (WebGPU's "shader-f16"). */
  float16(): Promise<boolean>;
  /** The runtime's own attention comes out right there. */
  attention(about: AttentionKind): Promise<boolean>;
}

/** Where graphs run. Owns whatever it started: close it. */
export interface Runtime {
  readonly device: Device;
  /** Sessions that were made once are made again in about a second, as what they prepare is kept. */
  readonly reopensQuickly?: boolean;
  /** What the device can do beyond what every device of its kind can. Default: nothing. */
  readonly abilities?: Abilities;
  /** Its products of unsigned with signed bytes are right (see signed-bytes.ts); default: they may be not. */
  readonly signedBytes?: boolean;
  /** It computes what a graph wants of its weights before it is loaded ({@link OnnxModel}'s `ahead`). */
  readonly makesAhead?: boolean;
  createSession(model: OnnxModel, options?: SessionOptions): Promise<Session>;
  close(): Promise<void>;
}

/** A folder in which networks of the cpu device are kept with their weights as kernels read them. */
export interface PreparedOptions {
  readonly folder: string;
  /** Bytes that it may take; those used longest ago make room. Default 20 GiB. */
  readonly limit?: number;
}

export interface RuntimeOptions {
  readonly device: Device;
  /** Threads of the cpu provider. Default: one per core. */
  readonly threads?: number;
  /** Fail when a node would be placed on the CPU although the device is another. Default false. */
  readonly strict?: boolean;
  /** Folder that gets the times of each session's nodes when the session is released, in ONNX Runtime's format. */
  readonly profile?: string;
  /** Where prepared weights are kept. Default: none are. */
  readonly prepared?: PreparedOptions;
  /**
   * What becomes of memory that the inference process frees: it goes back to the system, or stays for the next run, which
   * wants as much again, as steps of learning do. Default "returned".
   */
  readonly freed?: "returned" | "kept";
}
