import { type Command, InvalidArgumentError } from "commander";
import { limits } from "../../pipelines/limits.ts";
import { type Cli, write } from "../cli.ts";
import { integer, number } from "../options.ts";

interface BenchOptions {
  readonly model?: string;
  readonly size: number;
  readonly steps: number;
  readonly measure?: number;
  readonly cfg: number;
  readonly threads?: number;
}

/** `inkling bench`: how long each part of a picture takes here. */
export function bench(command: Command, cli: Cli): void {
  command
    .summary("measure how long each part of a picture takes")
    .description("Measures load, text encoder, steps and decoder; the last line is JSON, in seconds.")
    .option("-m, --model <name>", "a name of `inkling models`, a checkpoint folder, or a .safetensors file")
    .option("--size <n>", "pixels of a side, a multiple of 8", side, 256)
    .option("--steps <n>", "steps of the walk", integer("Steps are", ...limits.steps), 25)
    .option("--measure <n>", "how many of the steps to take (default: all)", integer("It is", ...limits.steps))
    .option(
      "--cfg <scale>",
      "guidance scale; at 1 the U-Net sees one input instead of two",
      number(...limits.guidance),
      7.5,
    )
    .option("--threads <n>", "CPU threads (default: one a core)", integer("Threads are", 1, 1024))
    .action(async ({ model, measure, ...options }: BenchOptions) => {
      const { signal } = cli;
      const report = await cli.engine.benchmark(model, {
        ...options,
        measure: Math.min(measure ?? options.steps, options.steps),
        signal,
      });
      signal.throwIfAborted();
      const mean = (seconds: readonly number[]): string =>
        seconds.length === 0 ? "-" : `${(seconds.reduce((a, b) => a + b) / seconds.length).toFixed(3)} s`;
      cli.stderr.write(
        `load ${report.load_s.toFixed(3)} s, encode ${mean(report.encode_s)}, step ${mean(report.step_s)}, ` +
          `decode ${mean(report.decode_s)}\n`,
      );
      await write(cli.stdout, `${JSON.stringify(report)}\n`);
    });
}

function side(text: string): number {
  const value = integer("It is", 8, limits.side[1])(text);
  if (value % 8 === 0) return value;
  throw new InvalidArgumentError("It is a multiple of 8.");
}
