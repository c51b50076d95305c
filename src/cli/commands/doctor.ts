import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import type { DoctorOptions } from "../doctor.ts";
import { addConfigOptions, addPreparedOption } from "../options.ts";

/** `inkling doctor`: what this machine can do. */
export function doctor(command: Command, cli: Cli): void {
  command
    .summary("try the devices, tell versions, threads, memory")
    .description("Tries the devices and tells what would run: versions, threads, memory, prepared weights, model.")
    .option("-m, --model <name>", "the model to look for (default: the one that comes with the package)");
  addConfigOptions(addPreparedOption(command))
    .option("--json", "as JSON")
    .action(async (options: DoctorOptions) => (await import("../doctor.ts")).doctor(options, cli));
}
