import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addServingOptions, type ServingOptions } from "../serving-options.ts";

/** `inkling studio`: the server, and its page in the browser. */
export function studio(command: Command, cli: Cli): void {
  addServingOptions(
    command
      .summary("open the page to draw in")
      .description("Starts the server and opens its page in the browser. Ctrl-C stops it."),
  )
    .option("--no-open", "only say where the page is")
    .action(async ({ open, ...options }: ServingOptions & { open: boolean }) =>
      (await import("../serve.ts")).serve({ logLevel: "warn", ...options }, cli, { open }),
    );
}
