import type { Device, PreparedOptions, Runtime, StartedRuntime } from "../runtime/index.ts";

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
  /**
   * Where networks of the CPU are kept as they were loaded once, so that they are opened at once the next time, and how
   * many bytes that may take; false for nowhere. Default: the folder that `INKLING_PREPARED` names ("off": none), else
   * inkling/prepared in the user's cache folder, and 20 GiB.
   */
  readonly prepared?: Partial<PreparedOptions> | false;
  /** A runtime that was started ahead, instead of the others; it is closed with what is opened on it. */
  readonly starting?: Promise<StartedRuntime>;
}

/** As {@link MachineOptions}, of what can also work beside something else. */
export interface SharedMachineOptions extends MachineOptions {
  /** A runtime that runs already, instead of the others: a loaded model's, say. It stays open. */
  readonly runtime?: Runtime;
}
