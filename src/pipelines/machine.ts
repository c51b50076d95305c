import { join } from "node:path";
import { type PreparedOptions, type StartedRuntime, startRuntime } from "../runtime/index.ts";
import { ownCacheFolder } from "./cache-folder.ts";
import type { MachineOptions, OpeningOptions } from "./opening.ts";

/** What `INKLING_PREPARED` says where nothing is to be kept. */
const OFF = "off";

/** The runtime that the options ask for: the one that was started ahead, else a new one. */
export function startMachine(
  { device = "auto", threads, prepared, starting }: MachineOptions,
  env: OpeningOptions["env"] = process.env,
): Promise<StartedRuntime> {
  return starting ?? startRuntime(device, { threads, prepared: preparedWeights(prepared, env) });
}

/**
 * Where prepared weights are kept: in the folder that was asked for, in that of `INKLING_PREPARED`, or in "prepared" in
 * the user's cache folder. Undefined where none are wanted ("off" in the variable) or there is no such place.
 */
export function preparedWeights(
  asked: MachineOptions["prepared"] = {},
  env: NonNullable<OpeningOptions["env"]> = process.env,
): PreparedOptions | undefined {
  if (asked === false) return undefined;
  const cache = ownCacheFolder(env);
  const said = asked.folder ?? (env["INKLING_PREPARED"] || (cache && join(cache, "prepared")));
  return said === undefined || (said === OFF && asked.folder === undefined) ? undefined : { ...asked, folder: said };
}
