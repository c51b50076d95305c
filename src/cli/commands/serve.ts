import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addServingOptions, type ServingOptions } from "../serving-options.ts";

/** `inkling serve`: the server. */
export function serve(command: Command, cli: Cli): void {
  addServingOptions(
    command
      .summary("start the server, for programs and pages")
      .description("Starts the server: jobs, gallery, and the studio's page. Ctrl-C stops it."),
  ).action(async (options: ServingOptions) => (await import("../serve.ts")).serve(options, cli));
}
