import { didYouMean } from "../hub/nearest.ts";
import type { GenerateSettings } from "../pipelines/settings.ts";
import { InputError } from "../tensor/index.ts";
import { UsageError } from "./errors.ts";

/**
 * Looks up the names of sampler and schedule before a model is loaded, which may take minutes.
 *
 * @throws UsageError naming the nearest one
 */
export async function checkNames({ sampler, schedule }: Pick<GenerateSettings, "sampler" | "schedule">): Promise<void> {
  if (!sampler && !schedule) return;
  const { findSampler, findSchedule, samplers, schedules } = await import("../diffusion/registry.ts");
  if (sampler) check("sampler", sampler, findSampler, samplers);
  if (schedule) check("schedule", schedule, findSchedule, schedules);
}

function check(
  kind: string,
  name: string,
  find: (name: string) => unknown,
  all: readonly { name: string; aliases: readonly string[] }[],
): void {
  try {
    find(name);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const names = all.flatMap((entry) => [entry.name, ...entry.aliases]);
    const hint = didYouMean(name, names, (near) => `"${near}"`);
    throw new UsageError(`there is no ${kind} "${name}"${hint}; \`inkling samplers\` lists them`, { cause: error });
  }
}
