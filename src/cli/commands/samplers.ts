import type { Command } from "commander";
import { type Cli, write } from "../cli.ts";
import { jsonLine } from "../json.ts";
import { table } from "../table.ts";

/** `inkling samplers`: the names that --sampler and --schedule take. */
export function samplers(command: Command, cli: Cli): void {
  command
    .summary("list samplers and noise schedules")
    .description("Lists the samplers and noise schedules that can be named.")
    .option("--json", "as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { listSamplers, listSchedules } = await import("../names.ts");
      const [all, schedules] = [await listSamplers(), await listSchedules()];
      if (json) return write(cli.stdout, jsonLine({ samplers: all, schedules }));
      const rows = (entries: typeof schedules) => table(entries.map(({ name, about }) => [`  ${name}`, about]));
      await write(
        cli.stdout,
        `Samplers (--sampler):\n${rows(all)}\nNoise schedules for A1111's samplers (--schedule):\n${rows(schedules)}`,
      );
    });
}
