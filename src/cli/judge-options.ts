import type { Command } from "commander";
import { integer } from "./options.ts";

/** Options of every command that asks CLIP. */
export interface JudgeOptions {
  readonly clip?: string;
  readonly device?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

export function addJudgeOptions(command: Command): Command {
  return command
    .option("--clip <name>", "the CLIP to ask: a name of `inkling models`, or a folder (default: the embedded one)")
    .option("--device <name>", "auto, cpu, webgpu or cuda; see `inkling doctor` (default: auto)")
    .option("--threads <n>", "CPU threads (default: one a core)", integer("Threads are", 1, 1024))
    .option("--json", "as JSON");
}
