import type { Command } from "commander";
import { addMachineOptions, type MachineFlags } from "./options.ts";

/** Options of every command that asks CLIP. */
export interface JudgeOptions extends MachineFlags {
  readonly clip?: string;
  readonly json?: boolean;
}

export function addJudgeOptions(command: Command): Command {
  command.option(
    "--clip <name>",
    "the CLIP to ask: a name of `inkling models`, or a folder (default: the embedded one)",
  );
  return addMachineOptions(command).option("--json", "as JSON");
}
