import { didYouMean } from "../hub/nearest.ts";
import type { Config } from "../pipelines/config.ts";
import type { LoadOptions } from "../pipelines/index.ts";
import { bytesOf } from "../pipelines/memory-size.ts";
import type { MachineOptions } from "../pipelines/opening.ts";
import type { Device } from "../runtime/runtime.ts";
import { UsageError } from "./errors.ts";
import type { ConvolutionFlags, MachineFlags, PreparedFlags } from "./options.ts";

type Defaults = NonNullable<Config["defaults"]>;

/**
 * What is to compute: what the options say, else the config file.
 *
 * @throws UsageError naming the nearest device
 */
export async function machineOf(options: MachineFlags, defaults: Defaults = {}): Promise<MachineOptions> {
  return {
    device: await deviceOf(options.device ?? defaults.device),
    threads: options.threads ?? defaults.threads,
    prepared: preparedOf(options, defaults),
  };
}

/** Where prepared weights are kept. */
export function preparedOf(options: PreparedFlags, defaults: Defaults = {}): MachineOptions["prepared"] {
  const folder = options.prepared ?? defaults.prepared;
  if (folder === false) return false;
  const limit = options.preparedLimit ?? defaults.preparedLimit;
  return { ...(folder !== undefined && { folder }), ...(limit !== undefined && { limit: limit * 2 ** 30 }) };
}

/** How convolutions are computed: what the options say, else the config file. */
export function convolutionsOf(options: ConvolutionFlags, defaults: Defaults = {}): LoadOptions["convolutions"] {
  const form = options.convolutions ?? defaults.convolutions ?? "auto";
  const memory = defaults.convolutionMemory === undefined ? undefined : bytesOf(defaults.convolutionMemory);
  const extraBytes = options.convolutionMemory ?? memory;
  return { ...(form !== "auto" && { form }), ...(extraBytes !== undefined && { extraBytes }) };
}

/** @throws UsageError naming the nearest device */
export async function deviceOf(name: string | undefined): Promise<Device | "auto" | undefined> {
  if (name === undefined) return undefined;
  const { devices } = await import("../runtime/runtime.ts");
  const all = ["auto", ...devices] as const;
  const known = all.find((device) => device === name);
  if (known) return known;
  throw new UsageError(`there is no device "${name}"${didYouMean(name, all)}: ${all.join(", ")}`);
}
