import { distance } from "fastest-levenshtein";

/** The candidate that differs by the fewest letters, where they are few enough to be a slip of the finger. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: { candidate: string; far: number } | undefined;
  for (const candidate of candidates) {
    // The very letters in another order are the commonest slip: half a letter nearer.
    const far = distance(word.toLowerCase(), candidate.toLowerCase()) - (sameLetters(word, candidate) ? 0.5 : 0);
    if (!best || far < best.far) best = { candidate, far };
  }
  return best && best.far <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

function sameLetters(a: string, b: string): boolean {
  const sorted = (text: string): string => [...text.toLowerCase()].sort().join("");
  return sorted(a) === sorted(b);
}

/**
 * The command that a one-word prompt was probably meant to be. Stricter than {@link nearest}: "beach" is a picture, not
 * a slip of "bench", so short names must have the very letters, in another order.
 */
export function mistakenCommand(word: string, verbs: Iterable<string>): string | undefined {
  for (const verb of verbs) {
    const far = distance(word.toLowerCase(), verb);
    if (sameLetters(word, verb)) return verb;
    if (far > 0 && verb.length > 5 && far <= (verb.length >= 8 ? 2 : 1)) return verb;
  }
  return undefined;
}
