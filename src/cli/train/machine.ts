import type { MachineOptions } from "../../pipelines/opening.ts";
import { type StartedRuntime, startRuntime } from "../../runtime/index.ts";

/** What models learn on: its weights change, so none are prepared, and every step wants the memory that the one before had. */
export const startLearning = ({
  device = "auto",
  threads,
}: Pick<MachineOptions, "device" | "threads">): Promise<StartedRuntime> =>
  startRuntime(device, { threads, freed: "kept" });
