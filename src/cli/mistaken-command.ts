import { distance } from "fastest-levenshtein";
import { sameLetters } from "../hub/nearest.ts";

/**
 * The command that a one-word prompt was probably meant to be. Stricter than `nearest`: "beach" is a picture, not a slip
 * of "bench", so short names must have the very letters, in another order.
 */
export function mistakenCommand(word: string, verbs: Iterable<string>): string | undefined {
  for (const verb of verbs) {
    const far = distance(word.toLowerCase(), verb);
    if (sameLetters(word, verb)) return verb;
    if (far > 0 && verb.length > 5 && far <= (verb.length >= 8 ? 2 : 1)) return verb;
  }
  return undefined;
}
