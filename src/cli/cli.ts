import type { BenchmarkOptions, BenchmarkReport } from "../pipelines/benchmark.ts";
import type { Captioner, CaptionerOptions } from "../pipelines/captions.ts";
import type { ConvolutionPlan, ConvolutionPlanOptions } from "../pipelines/convolution-plan.ts";
import type { FactsOptions } from "../pipelines/facts.ts";
import type { Clip, ClipOptions, Inkling, LoadOptions, PromptWriter, PromptWriterOptions } from "../pipelines/index.ts";
import type { MachineOptions, OpeningOptions } from "../pipelines/opening.ts";
import type { Planner } from "../pipelines/plan.ts";
import type { DeviceReport } from "../runtime/index.ts";

/** What the command line stands in: streams, environment and engine are arguments, so that tests can be its world. */
export interface Cli {
  /** Results: paths, pictures, tables. */
  readonly stdout: Output;
  /** Everything that is said on the way to them. */
  readonly stderr: Output;
  /** Where people answer, if anywhere. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
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

/** A loaded model, as far as commands use it. */
export interface Drawer extends Pick<Inkling, "model" | "device" | "resolve" | "stream" | "progress" | "close"> {
  readonly parts: Pick<Inkling["parts"], "tokenizer">;
}

/** The heavy rooms, each loaded when it is first needed, so that `--help` does not wait for them. */
export interface Engine {
  load(model: string | undefined, options: LoadOptions & { readonly signal?: AbortSignal }): Promise<Drawer>;
  /** As `load`, to settle settings and not to draw. */
  plan(model: string | undefined, options: FactsOptions): Promise<Planner>;
  openWriter(options: PromptWriterOptions): Promise<PromptWriter>;
  openClip(model: string | undefined, options: ClipOptions): Promise<Clip>;
  openCaptioner(options: CaptionerOptions): Promise<Captioner>;
  benchmark(model: string | undefined, options: BenchmarkOptions): Promise<BenchmarkReport>;
  describeRuntime(): Promise<readonly DeviceReport[]>;
  convolutionPlan(model: string | undefined, options: ConvolutionPlanOptions): Promise<ConvolutionPlan>;
}

export const engine: Engine = {
  async load(model, options) {
    const ahead = await startAhead(options);
    return (await import("../pipelines/index.ts")).load(model, { ...options, ...ahead });
  },
  plan: async (model, options) => (await import("../pipelines/plan.ts")).openPlanner(model, options),
  async openWriter(options) {
    const ahead = await startAhead(options);
    return (await import("../pipelines/prompt-writer.ts")).openPromptWriter({ ...options, ...ahead });
  },
  async openClip(model, options) {
    const ahead = await startAhead(options);
    return (await import("../pipelines/clip.ts")).openClip(model, { ...options, ...ahead });
  },
  async openCaptioner(options) {
    const ahead = await startAhead(options);
    return (await import("../pipelines/captions.ts")).openCaptioner({ ...options, ...ahead });
  },
  benchmark: async (model, options) => (await import("../pipelines/benchmark.ts")).benchmark(model, options),
  convolutionPlan: async (model, options) =>
    (await import("../pipelines/convolution-plan.ts")).convolutionPlan(model, options),
  describeRuntime: async () => (await import("../runtime/index.ts")).describeRuntime(),
};

/** The inference process takes as long to start as the other rooms take to be loaded: both at once. */
async function startAhead(
  options: MachineOptions & OpeningOptions,
): Promise<Required<Pick<MachineOptions, "starting">>> {
  const { startMachine } = await import("../pipelines/machine.ts");
  const starting = startMachine(options, options.env);
  // Awaited by whoever is opened with it; a failure must not become an unhandled rejection before that.
  starting.catch(() => {});
  return { starting };
}

/** Writes and waits until the stream has taken it: what follows may be the end of the process. */
export function write(output: Output, text: string | Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    output.write(text, (error) => (error ? fail(error) : done()));
  });
}
