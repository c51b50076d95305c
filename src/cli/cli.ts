import type { GenerateEvent } from "../pipelines/events.ts";
import type { GenerateSettings, ResolvedSettings } from "../pipelines/settings.ts";
import type { Device, DeviceReport } from "../runtime/index.ts";
import type { PredictionType } from "../weights/index.ts";

/** What the command line stands in: streams, environment and engine are arguments, so that tests can be its world. */
export interface Cli {
  /** Results: paths, pictures, tables. */
  readonly stdout: Output;
  /** Everything that is said on the way to them. */
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires when the user interrupts; its reason is a {@link Stopped}. */
  readonly signal: AbortSignal;
  readonly engine: Engine;
}

export interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** Why work was stopped from outside, and the exit code that says so. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface LoadOptions {
  readonly device?: Device | "auto";
  readonly threads?: number;
  readonly prediction?: PredictionType;
  readonly vae?: string;
  readonly config?: string;
  readonly signal?: AbortSignal;
  /** Told what the user should know, one line each. */
  readonly onNote?: (line: string) => void;
}

/** A loaded model, as far as commands use it. */
export interface Drawer {
  readonly model: string;
  readonly device: string;
  /** @throws InputError when a setting makes no sense */
  resolve(settings: GenerateSettings): ResolvedSettings;
  stream(settings: GenerateSettings): AsyncIterable<GenerateEvent>;
  close(): Promise<void>;
}

export interface BenchmarkOptions {
  readonly size: number;
  readonly steps: number;
  readonly measure: number;
  readonly cfg: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
}

/** Seconds. */
export interface BenchmarkReport {
  readonly load_s: number;
  readonly encode_s: readonly number[];
  readonly step_s: readonly number[];
  readonly decode_s: readonly number[];
}

/** The heavy rooms, each loaded when it is first needed, so that `--help` does not wait for them. */
export interface Engine {
  load(model: string | undefined, options: LoadOptions): Promise<Drawer>;
  benchmark(model: string | undefined, options: BenchmarkOptions): Promise<BenchmarkReport>;
  describeRuntime(): Promise<readonly DeviceReport[]>;
}

export const engine: Engine = {
  async load(model, options) {
    // The inference process takes as long to start as the other rooms take to be loaded: both at once.
    const { startRuntime } = await import("../runtime/index.ts");
    const starting = startRuntime(options.device, options.threads);
    return (await import("../pipelines/index.ts")).load(model, { ...options, starting });
  },
  benchmark: async (model, options) => (await import("../pipelines/benchmark.ts")).benchmark(model, options),
  describeRuntime: async () => (await import("../runtime/index.ts")).describeRuntime(),
};

/** Writes and waits until the stream has taken it: what follows may be the end of the process. */
export function write(output: Output, text: string | Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    output.write(text, (error) => (error ? fail(error) : done()));
  });
}
