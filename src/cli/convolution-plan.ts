import type { ConvolutionPlan, NetworkPlan, PlanLine, Times } from "../pipelines/convolution-plan.ts";
import { type Cli, write } from "./cli.ts";
import { type ConfigOptions, findConfig } from "./config.ts";
import { createCounter } from "./counter.ts";
import { UsageError } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { convolutionsOf } from "./machine.ts";
import type { ConvolutionFlags } from "./options.ts";
import { table } from "./table.ts";

export interface PlanFlags extends ConvolutionFlags, ConfigOptions {
  /** The model, where the option names one. */
  readonly plan?: string | true;
  readonly size?: { readonly width: number; readonly height: number };
  readonly measure?: boolean;
  readonly threads?: number;
  readonly model?: string;
  readonly json?: boolean;
}

/**
 * `inkling doctor --plan`: how each convolution of a picture is computed, predicted and measured.
 *
 * @throws UsageError where two models are named; InputError for a model that is not here or a size it cannot draw; Stopped
 */
export async function showPlan(
  { plan: named, model, size, measure, threads, json, ...flags }: PlanFlags,
  cli: Cli,
): Promise<void> {
  if (typeof named === "string" && model !== undefined)
    throw new UsageError("the model is named twice: once with --plan is enough");
  const { config } = await findConfig(flags, cli);
  const { defaults = {} } = config;
  const counter = createCounter(cli, "measuring");
  let plan: ConvolutionPlan;
  try {
    plan = await cli.engine.convolutionPlan(typeof named === "string" ? named : (model ?? defaults.model), {
      ...size,
      threads: threads ?? defaults.threads,
      convolutions: convolutionsOf(flags, defaults),
      measure,
      env: cli.env,
      signal: cli.signal,
      onNote: counter.note,
      onProgress: ({ done, total, secondsLeft }) => counter.update(done, total, secondsLeft),
    });
  } finally {
    counter.end();
  }
  await write(cli.stdout, json ? jsonLine(plan) : described(plan));
}

function described({ model, width, height, machine, networks }: ConvolutionPlan): string {
  const { cpu, threads, onnxruntime } = machine;
  const threadsOf = threads === 1 ? "1 thread" : `${threads} threads`;
  const head =
    `${model}, ${width}×${height}; ${cpu}, ${threadsOf}, ONNX Runtime ${onnxruntime}\n` +
    "Times are those of one layer, GFLOP/s of its direct sum; extra is what the weights of all take beyond the plain ones.\n";
  const unmeasured = networks.some(({ seconds }) => seconds.measured === undefined);
  const advice = unmeasured ? "\nNot all of it was measured on this machine: --measure does.\n" : "";
  return [head, ...networks.map(tableOf)].join("\n") + advice;
}

/** The numbers among the columns. */
const NUMBERS = [0, 1, 6, 7, 8, 9, 10];

function tableOf(network: NetworkPlan): string {
  const times = ["predicted", "GFLOP/s", "measured", "GFLOP/s"];
  const head = ["layers", "batch", "channels", "size", "kernel", "form", ...times, "extra", "such as"];
  const lines = network.lines.map((line) => [...cellsOf(line), line.example]);
  return `${network.name}\n${table([head, ...lines], NUMBERS)}${sumOf(network)}`;
}

function cellsOf(line: PlanLine): string[] {
  const { layers, batch, channels, features, width, height, kernel, stride, form, extraBytes } = line;
  const { predicted, measured } = line.seconds[form]!;
  const both = (seconds: number | undefined): string[] =>
    seconds === undefined ? ["-", "-"] : [milliseconds(seconds), (line.flops / seconds / 1e9).toFixed(0)];
  return [
    String(layers),
    String(batch),
    `${channels}→${features}`,
    `${width}×${height}`,
    `${kernel}×${kernel}${stride === 1 ? "" : ` / ${stride}`}`,
    form,
    ...both(predicted),
    ...both(measured),
    extraBytes === 0 ? "-" : mebibytes(extraBytes),
  ];
}

function sumOf({ seconds, directSeconds, extraBytes, budgetBytes }: NetworkPlan): string {
  const told = ({ predicted, measured }: Times): string =>
    `${milliseconds(predicted)} predicted${measured === undefined ? "" : `, ${milliseconds(measured)} measured`}`;
  return (
    `all of them: ${told(seconds)}; every one direct: ${told(directSeconds)}\n` +
    `larger weights: ${mebibytes(extraBytes)} of at most ${mebibytes(budgetBytes)}\n`
  );
}

const milliseconds = (seconds: number): string => `${(1000 * seconds).toFixed(seconds < 0.1 ? 2 : 0)} ms`;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
