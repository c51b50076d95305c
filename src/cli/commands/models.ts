import type { Command } from "commander";
import { type Cli, write } from "../cli.ts";
import type { ConfigOptions } from "../config.ts";
import { jsonLine } from "../json.ts";
import { addConfigOptions, addPreparedOption, type PreparedFlags } from "../options.ts";
import { table } from "../table.ts";

interface ModelsOptions extends PreparedFlags, ConfigOptions {
  readonly clearPrepared?: boolean;
  readonly json?: boolean;
}

/** `inkling models`: the names that --model takes, and which of them are on this machine. */
export function models(command: Command, cli: Cli): void {
  command
    .summary("list the models that have a name")
    .description("Lists the models that have a name, and where they are on this machine.")
    .option("--clear-prepared", "list none, and remove the weights that were prepared for a fast start");
  addConfigOptions(addPreparedOption(command))
    .option("--json", "as JSON")
    .action(async ({ clearPrepared, ...options }: ModelsOptions) => {
      if (clearPrepared) return (await import("../prepared.ts")).clearPreparedWeights(options, cli);
      const { listModels } = await import("../../hub/index.ts");
      const all = await listModels(cli.env);
      if (options.json) return write(cli.stdout, jsonLine({ models: all }));
      const rows = all.map(({ name, about, found }) => [name, found ? "here" : "-", about]);
      await write(
        cli.stdout,
        `${table(rows)}\nA checkpoint folder or a .safetensors file is named by its path: inkling "a cat" --model ./folder\n`,
      );
    });
}
