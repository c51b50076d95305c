import type { Picture } from "../../../image/index.ts";
import { InputError } from "../../../tensor/index.ts";
import { chanceOf, oneOf, shuffled, weighted } from "../chance.ts";
import type { Attributes, Chance, Dataset, Example, GeneratorOptions } from "../dataset.ts";
import { type Art, portraitStyles, readArt } from "./art.ts";
import { type Composition, type CompositionKind, compositionCombinations, planComposition } from "./composition.ts";
import { compositionCaption } from "./composition-caption.ts";
import type { Detail } from "./english.ts";
import { type Combination, isHeldOut } from "./held-out.ts";
import { drawLayout } from "./layout.ts";
import { drawPortrait, type Portrait, planPortrait, portraitCombination, type Seen } from "./portrait.ts";
import { portraitCaption } from "./portrait-caption.ts";

/** What is drawn, and of how many in a hundred. */
const MIX = {
  pixel: 15,
  lorelei: 15,
  bigheads: 8,
  faces: 7,
  object: 25,
  paint: 7,
  pair: 8.5,
  count: 4.5,
  scene: 3.6,
  size: 1.4,
  shape: 5,
} as const;

export type DrawingKind = keyof typeof MIX;
export const drawingKinds = Object.keys(MIX) as DrawingKind[];

/** Pictures are of 256 pixels a side where nothing else is said. */
export interface DrawingsOptions extends GeneratorOptions {
  /** Only these. Default all, as the mix of the embedded model has them. */
  readonly kinds?: readonly DrawingKind[];
}

/** Set where drawings of the same seed become others, so that nothing old is taken for them. */
const EDITION = 1;

/**
 * Drawings from openly licensed parts: portraits, objects, and objects in their places, with exact captions and attributes.
 * The same place of the same seed is the same drawing. Every one has three captions, from next to nothing to nearly all;
 * {@link Example.attributes} has all three, what is drawn, and where.
 *
 * @throws InputError when the drawings that come with the package cannot be read
 */
export async function openDrawings(options: DrawingsOptions): Promise<Dataset> {
  const { count, size = 256, seed = 0, split = "train", kinds = drawingKinds } = options;
  if (kinds.length === 0) throw new InputError("Drawings of no kind were asked for.");
  const art = await readArt().catch((error: Error) => {
    throw new InputError(`The drawings of the package cannot be read: ${error.message}. Install it again.`);
  });
  return {
    name: `drawings (${split})`,
    length: count,
    async at(index, { chance: choice, signal } = {}): Promise<Example> {
      signal?.throwIfAborted();
      const { plan, chance } = planDrawing(art, { seed, split, kinds }, index);
      const { picture, captions, attributes } = await drawn(art, plan, chance, size);
      signal?.throwIfAborted();
      const caption = choice ? oneOf(choice, captions) : captions[0]!;
      return { key: `drawing-${seed}-${index}`, picture, caption, attributes: { ...attributes, captions } };
    },
    identify: async (index) => JSON.stringify(["drawings", EDITION, size, seed, index, split, kinds]),
  };
}

type Plan = Portrait | Composition;

/** What is drawn at a place: the first plan that belongs to the split, and the chance that the rest is left to. */
export function planDrawing(
  art: Art,
  { seed, split, kinds }: Required<Pick<DrawingsOptions, "seed" | "split" | "kinds">>,
  index: number,
): { readonly plan: Plan; readonly chance: Chance } {
  const chance = chanceOf(seed, index);
  const weights = Object.fromEntries(kinds.map((kind) => [kind, MIX[kind]])) as Record<DrawingKind, number>;
  const kind = weighted(chance, weights);
  for (;;) {
    const plan = anyPlan(art, chance, kind);
    const combinations = combinationsOf(plan);
    if (split === "heldout" ? isHeldOut(combinations[0]!) : !combinations.some(isHeldOut)) return { plan, chance };
  }
}

function anyPlan(art: Art, chance: Chance, kind: DrawingKind): Plan {
  const style = portraitStyles.find((each) => each === kind);
  return style ? planPortrait(chance, style) : planComposition(art, chance, kind as CompositionKind);
}

/** The combinations of attributes in a plan that may be held out, the main one first. */
export const combinationsOf = (plan: Plan): Combination[] =>
  plan.kind === "portrait" ? [portraitCombination(plan)] : compositionCombinations(plan);

interface Drawn {
  readonly picture: Picture;
  readonly captions: readonly string[];
  readonly attributes: Attributes;
}

async function drawn(art: Art, plan: Plan, chance: Chance, size: number): Promise<Drawn> {
  if (plan.kind === "portrait") {
    const { picture, seen } = await drawPortrait(art, plan, size);
    const captions = captionsBy(chance, (detail) => portraitCaption(plan, seen, detail, chance));
    return { picture, captions, attributes: portraitAttributes(plan, seen) };
  }
  const { picture, boxes } = await drawLayout(art, plan.layout, size);
  const captions = captionsBy(chance, (detail) => compositionCaption(plan, detail, chance));
  return { picture, captions, attributes: compositionAttributes(plan, boxes) };
}

/** One of each detail, in any order, no two alike if there are others. */
function captionsBy(chance: Chance, caption: (detail: Detail) => string): string[] {
  const captions: string[] = [];
  for (const detail of shuffled(chance, [0, 1, 2] as const)) {
    let said = caption(detail);
    for (let more = 0; more < 6 && captions.includes(said); more++) said = caption((more % 3) as Detail);
    captions.push(said);
  }
  return captions;
}

/** null is what is not there, or cannot be seen. */
function portraitAttributes({ style, person, details }: Portrait, seen: Seen): Attributes {
  const bald = person.hair === "bald";
  return {
    kind: "portrait",
    style,
    sex: person.sex,
    hair: bald || seen.hair ? person.hair : null,
    hairColor: !bald && seen.hair ? person.hairColor : null,
    eyes: seen.eyes ? person.eyes : null,
    eyeBox: seen.eyes ?? null,
    skin: person.skin,
    glasses: person.glasses,
    beard: person.beard,
    hat: person.hat && details.hatKind ? `${person.hat} ${details.hatKind}` : null,
    mood: person.mood,
    clothing: details.clothing ?? null,
    earrings: details.earrings ?? false,
    redLips: details.redLips ?? false,
    freckles: details.freckles ?? false,
    flowers: details.flowers ?? null,
    background: person.background,
  };
}

function compositionAttributes(plan: Composition, boxes: readonly unknown[]): Attributes {
  const { kind, things, count, relation, size, layout } = plan;
  const { behind } = layout;
  return {
    kind,
    style: things[0]!.style,
    count,
    objects: layout.placed.map(({ thing }, i) => ({ noun: thing.noun, color: thing.paint ?? null, box: boxes[i] })),
    relation: relation ?? null,
    size: size ?? null,
    background: "scene" in behind ? null : behind.background,
    scene: "scene" in behind ? behind.scene : null,
  };
}
