/** Combinations of attributes, by what they are combinations of, and one in how many of them is never learnt. */
const ONE_IN = {
  /** Sex, colour of the hair, colour of the eyes, style. */
  portrait: 12,
  /** An object on a background, in a scene, or as large as it is. */
  object: 10,
  /** A painted object and its colour. */
  paint: 8,
  /** Two objects, whichever is first. */
  pair: 6,
  /** How many of what. */
  count: 10,
} as const;

/** What a combination is of, and its members. */
export type Combination = readonly [kind: keyof typeof ONE_IN, ...members: readonly string[]];

/** Whether a combination is kept from training, by its words alone: it is so for every seed. */
export function isHeldOut([kind, ...members]: Combination): boolean {
  return hashOf([kind, ...members].join("|")) % ONE_IN[kind] === 0;
}

/** FNV-1a (Fowler, Noll & Vo), its bits mixed once more, since only the lowest ones are used. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
