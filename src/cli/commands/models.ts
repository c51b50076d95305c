import type { Command } from "commander";
import { type Cli, write } from "../cli.ts";
import { jsonLine } from "../json.ts";
import { table } from "../table.ts";

/** `inkling models`: the names that --model takes, and which of them are on this machine. */
export function models(command: Command, cli: Cli): void {
  command
    .summary("list the models that have a name")
    .description("Lists the models that have a name, and where they are on this machine.")
    .option("--json", "as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { listModels } = await import("../../hub/index.ts");
      const all = await listModels(cli.env);
      if (json) return write(cli.stdout, jsonLine({ models: all }));
      const rows = all.map(({ name, about, found }) => [name, found ? "here" : "-", about]);
      await write(
        cli.stdout,
        `${table(rows)}\nA checkpoint folder or a .safetensors file is named by its path: inkling "a cat" --model ./folder\n`,
      );
    });
}
