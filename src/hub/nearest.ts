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

/** Whether two words consist of the same letters, in any order. */
export function sameLetters(a: string, b: string): boolean {
  const sorted = (text: string): string => [...text.toLowerCase()].sort().join("");
  return sorted(a) === sorted(b);
}
