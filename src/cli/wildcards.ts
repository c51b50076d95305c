import { stat } from "node:fs/promises";
import type { GenerateSettings } from "../pipelines/settings.ts";
import { hasWildcards } from "../text/prompt/wildcards.ts";
import type { DrawingOptions } from "./options.ts";

const DEFAULT_FOLDER = "wildcards";

/**
 * Where `__name__` in what was typed takes its options from. The prompt of a `--from` picture is what was drawn: nothing in
 * it is left to choose, unless `--wildcards` says so.
 */
export async function wildcardsOf(
  words: readonly string[],
  { wildcards, negative = "" }: Pick<DrawingOptions, "wildcards" | "negative">,
  onNote: (line: string) => void,
): Promise<GenerateSettings["wildcards"]> {
  if (wildcards === undefined && !hasWildcards(words.join(" ")) && !hasWildcards(negative)) return undefined;
  const { wildcardFolder } = await import("../pipelines/wildcard-folder.ts");
  const folder = wildcardFolder(wildcards ?? DEFAULT_FOLDER);
  if (wildcards !== undefined) {
    // Says it now if there is no such folder.
    await folder.names();
    return folder;
  }
  const there = await stat(DEFAULT_FOLDER).catch(() => undefined);
  if (there?.isDirectory()) return folder;
  onNote(
    `__name__ in a prompt stands for itself: there is no folder ${DEFAULT_FOLDER} here; --wildcards names another.`,
  );
  return undefined;
}
