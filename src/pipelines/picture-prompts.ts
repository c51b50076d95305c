import { expandAll, hasWildcards, type Wildcards } from "../text/index.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What one picture of several is drawn from, where wildcards make them differ. */
export type PicturePrompts = Pick<
  ResolvedSettings,
  "prompt" | "negativePrompt" | "wildcardPrompt" | "wildcardNegativePrompt"
>;

/**
 * The prompts of each picture, its wildcards chosen by its own seed (that of the first plus its number, also where one
 * generator draws the noise of all); undefined where there are none to choose.
 */
export async function picturePrompts(
  { prompt, negativePrompt, seed, count }: ResolvedSettings,
  wildcards: Wildcards,
): Promise<PicturePrompts[] | undefined> {
  if (!hasWildcards(prompt) && !hasWildcards(negativePrompt)) return undefined;
  const pictures: PicturePrompts[] = [];
  for (let picture = 0; picture < count; picture++) {
    const [drawn, negative] = await expandAll(
      [
        ["prompt", prompt],
        ["negative prompt", negativePrompt],
      ],
      { ...wildcards, seed: seed + picture },
    );
    pictures.push({
      prompt: drawn!,
      negativePrompt: negative!,
      ...(drawn !== prompt && { wildcardPrompt: prompt }),
      ...(negative !== negativePrompt && { wildcardNegativePrompt: negativePrompt }),
    });
  }
  return pictures;
}
