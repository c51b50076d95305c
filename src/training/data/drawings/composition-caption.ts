import { likely, oneOf } from "../chance.ts";
import type { Chance } from "../dataset.ts";
import { type Composition, placeOf, type Relation } from "./composition.ts";
import { bare, type Detail, inStyle, onBackground, one } from "./english.ts";
import type { Thing } from "./things.ts";

const NUMBERS = ["no", "one", "two", "three", "four"];
const SIZES = { big: ["big", "large", "huge"], small: ["small", "tiny", "little"] } as const;
/** Names that take no article. */
const UNCOUNTED =
  /^(sushi|bread|lettuce|butter|soap|ice cream|soft ice cream|spaghetti|pancakes|noodle soup|coral)$|^(a|an|the) /;
/** How sure it is that the background is told of, and the style, by how much a caption says. */
const TOLD = { background: [0.13, 0.5, 0.85], style: [0.2, 0.45, 0.75] } as const;

/** `a` and `b` where the first is to the left of the second, and so on. */
const RELATIONS: Readonly<Record<Relation, readonly ((a: string, b: string) => string)[]>> = {
  left: [
    (a, b) => `${a} to the left of ${b}`,
    (a, b) => `${a} on the left and ${b} on the right`,
    (a, b) => `${b} to the right of ${a}`,
    (a, b) => `${a} left of ${b}`,
  ],
  right: [
    (a, b) => `${a} to the right of ${b}`,
    (a, b) => `${b} on the left and ${a} on the right`,
    (a, b) => `${b} to the left of ${a}`,
    (a, b) => `${a} right of ${b}`,
  ],
  above: [
    (a, b) => `${a} above ${b}`,
    (a, b) => `${b} below ${a}`,
    (a, b) => `${a} on top and ${b} below`,
    (a, b) => `${a} over ${b}`,
  ],
  below: [(a, b) => `${a} below ${b}`, (a, b) => `${b} above ${a}`, (a, b) => `${a} under ${b}`],
  "next to": [
    (a, b) => `${a} next to ${b}`,
    (a, b) => `${a} beside ${b}`,
    (a, b) => `${b} next to ${a}`,
    (a, b) => `${b} beside ${a}`,
  ],
};

/** Things in their places in words. */
export function compositionCaption(composition: Composition, detail: Detail, chance: Chance): string {
  const { things, layout } = composition;
  const { behind } = layout;
  const styled = likely(chance, TOLD.style[detail]);
  const introduced = likely(chance, 0.05);
  let phrase = what(composition, chance);
  if (composition.count === 1 && detail === 0 && !styled && !introduced && likely(chance, 0.5)) phrase = bare(phrase);
  if (introduced) phrase = `${oneOf(chance, ["a picture of", "picture of", "an image of"])} ${phrase}`;
  if ("scene" in behind) phrase += ` ${placeOf(chance, behind.scene)}`;
  else if (likely(chance, TOLD.background[detail])) phrase += onBackground(chance, behind.background);
  return styled ? inStyle(chance, phrase, things[0]!.style) : phrase;
}

function what({ kind, things, count, relation, size }: Composition, chance: Chance): string {
  const [a, b] = things;
  if (b && relation) {
    const [first, second] = [named(a!, chance), named(b, chance)];
    // What stands side by side, or one above the other, is also just there.
    if (likely(chance, 0.2)) return oneOf(chance, [`${first} and ${second}`, `${second} and ${first}`]);
    return oneOf(chance, RELATIONS[relation])(first, second);
  }
  if (kind === "count") {
    const number = likely(chance, 0.08) ? String(count) : NUMBERS[count]!;
    return [number, a!.paint, a!.plural!].filter(Boolean).join(" ");
  }
  if (size) return one(`${oneOf(chance, SIZES[size])} ${bare(a!.noun)}`);
  return named(a!, chance);
}

/** A thing by one of its names, with its paint, sometimes with the colour that it always has. */
function named({ noun, plural, names, paint, object }: Thing, chance: Chance): string {
  if (paint) return one(`${paint} ${noun}`);
  const name = likely(chance, 0.55) ? noun : oneOf(chance, names);
  if (!plural && name === noun) return name;
  const own = object?.color;
  if (
    own &&
    name === noun &&
    !name.includes(own) &&
    !/ of |^(black|white|red|blue|brown) /.test(name) &&
    likely(chance, 0.18)
  ) {
    return one(`${own} ${name}`);
  }
  return UNCOUNTED.test(name) ? name : one(name);
}
