import type { Command } from "commander";
import { type Cli, write } from "../cli.ts";
import type { ConfigOptions } from "../config.ts";
import { jsonLine } from "../json.ts";
import { addConfigOptions } from "../options.ts";
import { table } from "../table.ts";

/** `inkling goals`: the names that --goal takes, the package's and those of the config file. */
export function goals(command: Command, cli: Cli): void {
  addConfigOptions(command)
    .summary("list goals: intentions that stand for settings")
    .description("Lists the goals that can be named, with what each sets; those of the config file too.")
    .option("--json", "as JSON")
    .action(async ({ json, ...options }: ConfigOptions & { json?: boolean }) => {
      const [{ findConfig }, { goalNames, goalOf }, { goalWords }] = await Promise.all([
        import("../config.ts"),
        import("../../pipelines/goal.ts"),
        import("../goal.ts"),
      ]);
      const { config } = await findConfig(options, cli);
      const all = goalNames({ config }).map((name) => goalOf(name, { config }));
      if (json) return write(cli.stdout, jsonLine({ goals: all }));
      await write(
        cli.stdout,
        `${table(all.map((goal) => [goal.name, goalWords(goal), goal.about]))}\n` +
          "A goal gives way to any option beside it, and to what a model can draw.\n",
      );
    });
}
