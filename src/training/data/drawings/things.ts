import { likely, oneOf } from "../chance.ts";
import type { Chance } from "../dataset.ts";
import { type Form, forms } from "../shape-forms.ts";
import type { Art, ArtObject, ObjectStyle } from "./art.ts";
import { type Background, difference, type Paint, paints, palette } from "./palette.ts";

/** Something to draw: an object in a style, painted or as it is, or a plain painted shape. */
export interface Thing {
  readonly noun: string;
  /** Absent of what is not counted. */
  readonly plural?: string;
  /** What it may be called, the noun first. */
  readonly names: readonly string[];
  readonly style: ObjectStyle | "shape";
  readonly paint?: Paint;
  readonly object?: ArtObject;
  readonly form?: Form;
}

/** How often each style is drawn. */
export const objectStyles: Readonly<Record<ObjectStyle, number>> = { "3d": 3, glossy: 1.6, flat: 2.4, noto: 2.4 };

/** How different paint and what is behind it are at least; black and white look alike from further away. */
const CLEAR = { plain: 150, colored: 130 } as const;
/** Of a drawing, at most, may be near the colour of the background, in hundredths. */
const LOST = 38;
/** Names that stop being true, or English, in another colour. */
const OWN_COLOR = /^(red|green|blue|black|white|polar) /;

/** A thing in one of its styles, as it is; undefined where it would be lost on the background. */
export function plainThing(object: ArtObject, style: ObjectStyle, background?: Background): Thing | undefined {
  if (background && lost(object, style, background)) return undefined;
  const { noun, plural, names } = object;
  return { noun, ...(plural && { plural }), names, style, object };
}

/** A flat thing in another colour. */
export function paintedThing(object: ArtObject, paint: Paint, background?: Background): Thing | undefined {
  if (background && !stands(paint, background)) return undefined;
  const noun = object.noun.replace(OWN_COLOR, "");
  return { noun, plural: object.plural?.replace(OWN_COLOR, ""), names: [noun], style: "flat", paint, object };
}

export function shapeThing(form: Form, paint: Paint, background?: Background): Thing | undefined {
  if (background && !stands(paint, background)) return undefined;
  const plural = form === "cross" ? "crosses" : `${form}s`;
  return { noun: form, plural, names: [form], style: "shape", paint, form };
}

export const randomShape = (chance: Chance, background: Background): Thing | undefined =>
  shapeThing(oneOf(chance, Object.keys(forms) as Form[]), oneOf(chance, paints), background);

/** Any object in a style, one that may be painted in a colour where `painted` is asked for. */
export function randomThing(
  art: Art,
  chance: Chance,
  { style, painted, background }: { style: ObjectStyle; painted: number; background?: Background },
): Thing | undefined {
  const paint = style === "flat" && likely(chance, painted);
  const fitting = art.objects.filter((object) => (paint ? object.paint : object.styles[style]));
  const object = oneOf(chance, fitting);
  return paint ? paintedThing(object, oneOf(chance, paints), background) : plainThing(object, style, background);
}

function stands(paint: Paint, background: Background): boolean {
  const least = paint === "black" || paint === "white" ? CLEAR.plain : CLEAR.colored;
  return difference(palette.paint[paint], palette.background[background]) >= least;
}

/** Whether much of a drawing has the background's colour. */
export function lost(object: ArtObject, style: ObjectStyle, background: Background): boolean {
  const near = (object.tones[style] ?? []).filter(([hex]) => difference(hex, palette.background[background]) < 120);
  return near.reduce((sum, [, share]) => sum + share, 0) > LOST;
}
