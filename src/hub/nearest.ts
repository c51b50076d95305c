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

/** " (Did you mean x?)" where a candidate is that near, else nothing; `shown` writes it as it is meant to be typed. */
export function didYouMean(word: string, candidates: Iterable<string>, shown = (near: string): string => near): string {
  const near = nearest(word, candidates);
  return near === undefined ? "" : ` (Did you mean ${shown(near)}?)`;
}

/** Whether two words consist of the same letters, in any order. */
export function sameLetters(a: string, b: string): boolean {
  const sorted = (text: string): string => [...text.toLowerCase()].sort().join("");
  return sorted(a) === sorted(b);
}
