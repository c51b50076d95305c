import { type Command, InvalidArgumentError } from "commander";
import type { BenchmarkReport } from "../../pipelines/benchmark.ts";
import { limits, type WeightForm } from "../../pipelines/limits.ts";
import type { Shortcuts } from "../../pipelines/settings.ts";
import { median, pictureSeconds } from "../../pipelines/timing.ts";
import { type Cli, write } from "../cli.ts";
import {
  addConvolutionOptions,
  addMachineOptions,
  addPrecisionOption,
  addShortcutOptions,
  type ConvolutionFlags,
  integer,
  type MachineFlags,
  number,
  type PrecisionFlags,
  weightsOption,
} from "../options.ts";
import { table } from "../table.ts";

interface BenchOptions extends MachineFlags, ConvolutionFlags, PrecisionFlags, Shortcuts {
  readonly model?: string;
  readonly size: number;
  readonly steps: number;
  readonly measure?: number;
  readonly cfg: number;
  readonly weights?: WeightForm;
  readonly json?: boolean;
}

/** `inkling bench`: how long each part of a picture takes here. */
export function bench(command: Command, cli: Cli): void {
  command
    .summary("measure how long each part of a picture takes")
    .description(
      "Measures load, text encoder, steps and decoder: a table on a terminal, else one line of JSON, in seconds.",
    )
    .option("-m, --model <name>", "a name of `inkling models`, a checkpoint folder, or a .safetensors file")
    .option("--size <n>", "pixels of a side, a multiple of 8", side, 256)
    .option("--steps <n>", "steps of the walk", integer("Steps are", ...limits.steps), 25)
    .option("--measure <n>", "how many of the steps to take (default: all)", integer("It is", ...limits.steps))
    .option(
      "--cfg <scale>",
      "guidance scale; at 1 the U-Net sees one input instead of two",
      number(...limits.guidance),
      7.5,
    );
  addShortcutOptions(command);
  addPrecisionOption(addConvolutionOptions(addMachineOptions(command.addOption(weightsOption()))))
    .option("--json", "JSON on a terminal, too")
    .action(async (options: BenchOptions) => {
      const { model, measure, json, size, steps, cfg, precision, weights, ...rest } = options;
      const {
        guidanceInterval,
        ngms,
        deepCache,
        deepCacheBranch,
        deepCacheFrom,
        deepCacheLate,
        tokenMerging,
        ...machine
      } = rest;
      const { signal } = cli;
      const { convolutionsOf, machineOf } = await import("../machine.ts");
      const report = await cli.engine.benchmark(model, {
        ...(await machineOf(machine)),
        convolutions: convolutionsOf(machine),
        precision,
        weights,
        size,
        steps,
        cfg,
        shortcuts: { guidanceInterval, ngms, deepCache, deepCacheBranch, deepCacheFrom, deepCacheLate, tokenMerging },
        measure: Math.min(measure ?? steps, steps),
        signal,
      });
      signal.throwIfAborted();
      const wanted = json || !cli.stdout.isTTY;
      await write(cli.stdout, wanted ? `${JSON.stringify(report)}\n` : table(rows(report)));
    });
}

function rows(report: BenchmarkReport): string[][] {
  const { steps, load_s, encode_s, step_s, decode_s } = report;
  const seconds = (value: number): string => `${value.toFixed(3)} s`;
  return [
    ["load", seconds(load_s)],
    ["text", seconds(encode_s.at(-1)!)],
    ["step", seconds(median(step_s)), `median of ${step_s.length}, ${seconds(Math.min(...step_s))} at best`],
    ["decoder", seconds(decode_s.at(-1)!)],
    ["picture", seconds(pictureSeconds(report)), `${steps} steps, the model already loaded`],
  ];
}

function side(text: string): number {
  const value = integer("It is", 8, limits.side[1])(text);
  if (value % 8 === 0) return value;
  throw new InvalidArgumentError("It is a multiple of 8.");
}
