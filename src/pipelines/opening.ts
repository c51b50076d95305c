import type { Device, Runtime, StartedRuntime } from "../runtime/index.ts";

/** What everything that is opened by a name takes. */
export interface OpeningOptions {
  /** Gets one-line remarks: what was guessed, what was cut, what will be ignored. */
  readonly onNote?: (line: string) => void;
  /** The environment's variables. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What is to compute. */
export interface MachineOptions {
  /** Where to compute; "auto" takes what works best. Default auto. */
  readonly device?: Device | "auto";
  /** Threads on the CPU. Default: one per core. */
  readonly threads?: number;
  /** A runtime that was started ahead, instead of `device` and `threads`; it is closed with what is opened on it. */
  readonly starting?: Promise<StartedRuntime>;
}

/** As {@link MachineOptions}, of what can also work beside something else. */
export interface SharedMachineOptions extends MachineOptions {
  /** A runtime that runs already, instead of the others: a loaded model's, say. It stays open. */
  readonly runtime?: Runtime;
}
