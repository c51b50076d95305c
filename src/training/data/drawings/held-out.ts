/**
 * Combinations of attributes: one in how many of each kind is never learnt, and the letter that stands for the kind where
 * that is decided. Letters, order and hash are those by which the embedded model's data was split: what is held out here,
 * it never saw.
 */
const KINDS = {
  /** Sex, colour of the hair, colour of the eyes, style. */
  portrait: { letter: "p", oneIn: 12 },
  /** An object, and its background or scene. */
  object: { letter: "o", oneIn: 10 },
  /** A painted object and its colour. */
  paint: { letter: "r", oneIn: 8 },
  /** Two objects, in alphabetical order. */
  pair: { letter: "c", oneIn: 6 },
  /** An object, and how many of it. */
  count: { letter: "n", oneIn: 10 },
  /** "one", the shape, its colour, nothing, the background, nothing. */
  shape: { letter: "s", oneIn: 10 },
} as const;

/** What a combination is of, and its members. */
export type Combination = readonly [kind: keyof typeof KINDS, ...members: readonly string[]];

/** Whether a combination is kept from training, by its words alone: it is so for every seed. */
export function isHeldOut([kind, ...members]: Combination): boolean {
  const { letter, oneIn } = KINDS[kind];
  return hashOf([letter, ...members].join("|")) % oneIn === 0;
}

/** FNV-1a (Fowler, Noll & Vo), its bits mixed once more, since only the lowest ones are used. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
