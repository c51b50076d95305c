import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { number } from "../options.ts";
import { addServedModelOptions, logLevelOption, QUEUE } from "../serving-options.ts";
import type { WorkerOptions } from "../work.ts";

/** `inkling worker`: one who draws for a server. */
export function worker(command: Command, cli: Cli): void {
  command
    .summary("draw the jobs of a server, on this machine or another")
    .description(
      "Takes jobs, one at a time, from the queue of a server that was started with --queue. Any number of workers may, on any " +
        "machine; each needs the models, adapters and config file of the server. Ctrl-C stops it.",
    )
    .optionsGroup("Worker:")
    .option("--queue <url>", `Redis: redis://host:6379, rediss:// with TLS (or ${QUEUE})`)
    .option("--grace <s>", "seconds that a job may go on when the worker is stopped (default: 10)", number(0, 86_400))
    .option(
      "--lease <s>",
      "seconds without a sign of life until another worker gets its job (default: 10)",
      number(1, 3600),
    )
    .addOption(logLevelOption());
  addServedModelOptions(command).action(async (options: WorkerOptions) =>
    (await import("../work.ts")).work(options, cli),
  );
}
