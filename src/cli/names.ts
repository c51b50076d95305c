import type { GenerateSettings } from "../pipelines/settings.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";

/** A name that an option takes. */
export interface Named {
  readonly name: string;
  readonly about: string;
  /** Other spellings that are accepted. */
  readonly aliases: readonly string[];
}

export async function listSamplers(): Promise<readonly Named[]> {
  return [];
}

export async function listSchedules(): Promise<readonly Named[]> {
  return [];
}

/**
 * Looks names up before a model is loaded, which may take minutes.
 *
 * @throws UsageError naming the nearest one
 */
export async function checkNames({ sampler, schedule }: GenerateSettings): Promise<void> {
  if (sampler) check("sampler", sampler, await listSamplers());
  if (schedule) check("schedule", schedule, await listSchedules());
}

function check(kind: string, name: string, all: readonly Named[]): void {
  const spellings = all.flatMap((entry) => [entry.name, ...entry.aliases]);
  const plain = (text: string): string => text.toLowerCase();
  if (all.length === 0 || spellings.some((spelling) => plain(spelling) === plain(name))) return;
  const near = nearest(name, spellings);
  const hint = near ? ` (Did you mean "${near}"?)` : "";
  throw new UsageError(`there is no ${kind} "${name}"${hint}: \`inkling samplers\` lists them`);
}
