import { InputError } from "../tensor/index.ts";
import { expandAll, hasWildcards, loraTags, type Wildcards } from "../text/index.ts";
import type { ResolvedSettings } from "./settings.ts";

/** What one picture of several is drawn from, where wildcards make them differ. */
export type PicturePrompts = Pick<
  ResolvedSettings,
  "prompt" | "negativePrompt" | "wildcardPrompt" | "wildcardNegativePrompt"
>;

/**
 * The prompts of each picture, its wildcards chosen by its own seed (that of the first plus its number, also where one
 * generator draws the noise of all); undefined where there are none to choose.
 *
 * @throws InputError where a wildcard brings an adapter, which is the same for all pictures
 */
export async function picturePrompts(
  { prompt, negativePrompt, promptSyntax, seed, count }: ResolvedSettings,
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
    if (promptSyntax !== "plain" && loraTags(drawn!).length > loraTags(prompt).length) {
      throw new InputError("A wildcard brings an adapter (<lora:…>): name it in the prompt itself, or with --lora.");
    }
    pictures.push({
      prompt: drawn!,
      negativePrompt: negative!,
      ...(drawn !== prompt && { wildcardPrompt: prompt }),
      ...(negative !== negativePrompt && { wildcardNegativePrompt: negativePrompt }),
    });
  }
  return pictures;
}
