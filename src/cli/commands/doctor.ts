import type { Command } from "commander";
import type { Cli } from "../cli.ts";

/** `inkling doctor`: what this machine can do. */
export function doctor(command: Command, cli: Cli): void {
  command
    .summary("try the devices, tell versions, threads, memory")
    .description("Tries the devices and tells what would run: versions, threads, memory, model.")
    .option("-m, --model <name>", "the model to look for (default: the one that comes with the package)")
    .option("--json", "as JSON")
    .action(async (options: { model?: string; json?: boolean }) => (await import("../doctor.ts")).doctor(options, cli));
}
