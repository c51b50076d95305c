import { below, likely, oneOf, shuffled, weighted } from "../chance.ts";
import type { Chance } from "../dataset.ts";
import { type Detail, inStyle, listed, onBackground, one } from "./english.ts";
import type { Portrait, Seen } from "./portrait.ts";

/** How each kind of hair is told of; `{}` is its colour. */
const HAIR: Readonly<Record<string, readonly string[]>> = {
  long: ["long {} hair"],
  short: ["short {} hair"],
  "long wavy": ["long wavy {} hair", "wavy {} hair"],
  wavy: ["wavy {} hair"],
  curly: ["curly {} hair"],
  "short curly": ["short curly {} hair", "curly {} hair"],
  messy: ["messy {} hair"],
  spiky: ["spiky {} hair"],
  "shoulder-length": ["shoulder-length {} hair"],
  buzz: ["a {} buzz cut", "very short {} hair"],
  bob: ["a {} bob", "a {} bob haircut"],
  "bob with bangs": ["a {} bob with bangs", "a {} bob"],
  "long with bangs": ["long {} hair with bangs", "long {} hair"],
  "short with bangs": ["short {} hair with bangs", "short {} hair"],
  ponytail: ["a {} ponytail", "{} hair in a ponytail"],
  pigtails: ["{} pigtails", "{} hair in pigtails"],
  bun: ["a {} hair bun", "{} hair in a bun"],
  "two buns": ["two {} hair buns", "{} hair in two buns"],
  mohawk: ["a {} mohawk"],
  afro: ["a {} afro", "a big {} afro"],
  balding: ["balding {} hair", "thin {} hair"],
  quiff: ["a {} quiff", "short {} hair"],
  "flat top": ["a {} flat top"],
  bowl: ["a {} bowl cut"],
  pixie: ["a {} pixie cut", "short {} hair"],
};

/** Colours of eyes that go by several names. */
const EYES: Readonly<Record<string, readonly string[]>> = { violet: ["violet", "purple"], gray: ["gray", "grey"] };

/** What may be said, how gladly, and behind which word. */
interface Feature {
  readonly weight: number;
  readonly text: string;
  readonly verb: "with" | "wearing";
}

/** A portrait in words: nothing is said that cannot be seen. */
export function portraitCaption(portrait: Portrait, seen: Seen, detail: Detail, chance: Chance): string {
  const { person, style } = portrait;
  const adjectives: string[] = [];
  let features = featuresOf(portrait, seen, chance);
  if (detail < 2 && likely(chance, 0.16)) {
    const [adjective, replaced] = adjectiveOf(portrait, seen, chance);
    if (adjective) {
      adjectives.push(adjective);
      features = features.filter((feature) => feature !== features[replaced]);
    }
  }
  const told: Feature[] = [];
  const most = detail === 0 ? (adjectives.length > 0 ? 0 : 1) : detail === 1 ? 2 : 3 + below(chance, 2);
  while (told.length < most && features.length > 0) {
    const next = features[Number(weighted(chance, Object.fromEntries(features.map(({ weight }, i) => [i, weight]))))]!;
    told.push(next);
    features = features.filter((feature) => feature !== next);
  }
  const moody = person.mood !== "neutral" && likely(chance, [0.12, 0.3, 0.5][detail]!);
  const moodFirst = likely(chance, 0.6);
  if (moody && moodFirst) adjectives.unshift(person.mood);
  let phrase = one([...adjectives, subject(portrait, chance)].join(" "));
  const introduced = likely(chance, detail === 0 ? 0.12 : 0.2);
  if (introduced)
    phrase = `${oneOf(chance, ["portrait of", "a portrait of", "a picture of", "face of", "the face of"])} ${phrase}`;
  const of = (verb: Feature["verb"]): string[] =>
    told.filter((feature) => feature.verb === verb).map(({ text }) => text);
  if (of("with").length > 0) phrase += ` with ${listed(of("with"))}`;
  if (of("wearing").length > 0)
    phrase += `${of("with").length > 1 ? ", wearing" : " wearing"} ${listed(of("wearing"))}`;
  if (moody && !moodFirst) phrase += `, ${person.mood}`;
  if (likely(chance, [0.15, 0.35, 0.65][detail]!)) phrase += onBackground(chance, person.background);
  return likely(chance, [0.25, 0.5, 0.7][detail]!) ? inStyle(chance, phrase, style) : phrase;
}

function subject({ person: { sex, beard, hair } }: Portrait, chance: Chance): string {
  if (sex === "woman") return oneOf(chance, ["lady", "woman", "woman", "girl", "lady"]);
  return oneOf(
    chance,
    beard || hair === "bald" || hair === "balding" ? ["man", "man", "guy"] : ["man", "man", "guy", "boy"],
  );
}

const eyeName = (chance: Chance, eyes: string): string => oneOf(chance, EYES[eyes] ?? [eyes]);

function hairPhrase(chance: Chance, hair: string, color: string): string {
  if (hair === "bald") return oneOf(chance, ["a bald head", "no hair"]);
  if (likely(chance, 0.3)) return `${color} hair`;
  const phrase = oneOf(chance, HAIR[hair]!).replace("{}", color);
  return phrase.startsWith("a ") ? one(phrase.slice(2)) : phrase;
}

/** The eyes and the hair are the first two. */
function featuresOf({ person, details, style }: Portrait, seen: Seen, chance: Chance): Feature[] {
  const features: Feature[] = [];
  const add = (weight: number, text: string, verb: Feature["verb"] = "with"): void => {
    features.push({ weight, text, verb });
  };
  const worn = (share: number): Feature["verb"] => (likely(chance, share) ? "wearing" : "with");
  if (seen.eyes) add(1.7, `${eyeName(chance, person.eyes)} eyes`);
  if (seen.hair || person.hair === "bald") add(1.6, hairPhrase(chance, person.hair, person.hairColor));
  if (person.glasses === "sunglasses")
    add(1.5, oneOf(chance, ["sunglasses", "sunglasses", "dark sunglasses"]), worn(0.4));
  if (person.glasses === "glasses") {
    const kind = details.glassesKind && likely(chance, 0.6) ? `${details.glassesKind} ` : "";
    add(1.5, `${kind}glasses`, worn(0.4));
  }
  if (person.beard) add(1.4, likely(chance, 0.7) ? "a beard" : one(`${person.hairColor} beard`));
  if (person.hat && details.hatKind) {
    add(1.6, one(`${person.hat} ${likely(chance, 0.5) ? details.hatKind : "hat"}`), worn(0.55));
  }
  if (details.earrings) add(1, style === "lorelei" && likely(chance, 0.4) ? "gold earrings" : "earrings");
  if (details.redLips) add(1, "red lips");
  if (details.freckles) add(1.2, "freckles");
  if (details.flowers) add(1.1, oneOf(chance, ["flowers in the hair", `${details.flowers} flowers in the hair`]));
  add(0.35, `${person.skin} skin`);
  if (details.clothing) add(0.7, one(details.clothing), "wearing");
  return features;
}

/** "blue-eyed", "blonde", "bearded": an adjective, and which of the features it stands for. */
function adjectiveOf({ person }: Portrait, seen: Seen, chance: Chance): readonly [string | undefined, number] {
  const hairAt = seen.eyes ? 1 : 0;
  const choices: (readonly [string, number])[] = [];
  if (seen.eyes) choices.push([`${eyeName(chance, person.eyes)}-eyed`, 0]);
  if (person.hair === "bald") choices.push(["bald", hairAt]);
  else if (seen.hair) {
    const blonde = person.hairColor === "blonde" && likely(chance, 0.6);
    choices.push([blonde ? "blonde" : `${person.hairColor.replace(" ", "-")}-haired`, hairAt]);
  }
  return shuffled(chance, choices)[0] ?? [undefined, -1];
}
