import { below, likely, oneOf, weighted } from "../chance.ts";
import type { Chance } from "../dataset.ts";
import type { Art, ObjectStyle } from "./art.ts";
import type { Combination } from "./held-out.ts";
import type { Layout, Placed } from "./layout.ts";
import { type Background, backgrounds, type Paint, paints } from "./palette.ts";
import { type SceneName, scenes } from "./scenes.ts";
import { lost, objectStyles, paintedThing, plainThing, randomShape, randomThing, type Thing } from "./things.ts";

/** Where the first of two is, as seen from the second. */
export type Relation = "left" | "right" | "above" | "below" | "next to";

/** Things in their places. */
export interface Composition {
  readonly kind: "object" | "paint" | "shape" | "pair" | "count" | "size" | "scene";
  /** What is drawn; of several of a kind, one. */
  readonly things: readonly Thing[];
  readonly count: number;
  readonly relation?: Relation;
  readonly size?: "big" | "small";
  readonly layout: Layout;
}

type Plan = (art: Art, chance: Chance) => Composition | undefined;

/** A plan that is tried until nothing of it is lost. */
export function planComposition(art: Art, chance: Chance, kind: keyof typeof plans): Composition {
  for (;;) {
    const planned = plans[kind](art, chance);
    if (planned) return planned;
  }
}

/** The main combination first; a painted object is held out wherever it is drawn. */
export function compositionCombinations({ kind, things, count, layout }: Composition): Combination[] {
  const [a, b] = things;
  const behind = "scene" in layout.behind ? layout.behind.scene : layout.behind.background;
  const painted = things.flatMap(({ noun, paint, object }): Combination[] =>
    paint && object ? [["paint", noun, paint]] : [],
  );
  if (b) return [["pair", ...[a!.noun, b.noun].sort()], ...painted];
  if (kind === "count") return [["count", a!.noun, String(count)], ...painted];
  if (kind === "shape") return [["shape", "one", a!.noun, a!.paint!, "", behind, ""]];
  return kind === "paint" ? painted : [["object", a!.noun, behind], ...painted];
}

const PAIRS: Readonly<Record<Relation, number>> = { left: 2, right: 2, "next to": 2, above: 1.1, below: 1.1 };
/** Middles of two, three or four of a kind, and their sides, as parts of the picture's side. */
const GROUPS: Readonly<Record<number, readonly (readonly [side: number, ...places: (readonly [number, number])[]])[]>> =
  {
    2: [
      [0.42, [0.27, 0.5], [0.73, 0.5]],
      [0.42, [0.5, 0.27], [0.5, 0.73]],
      [0.37, [0.3, 0.33], [0.7, 0.67]],
    ],
    3: [
      [0.4, [0.5, 0.27], [0.27, 0.72], [0.73, 0.72]],
      [0.29, [0.18, 0.5], [0.5, 0.5], [0.82, 0.5]],
      [0.4, [0.27, 0.28], [0.73, 0.28], [0.5, 0.72]],
    ],
    4: [
      [0.4, [0.27, 0.27], [0.73, 0.27], [0.27, 0.73], [0.73, 0.73]],
      [0.3, [0.5, 0.19], [0.19, 0.5], [0.81, 0.5], [0.5, 0.81]],
    ],
  };
/** Where things of a kind are drawn. */
const WHERE: Readonly<Record<string, readonly SceneName[]>> = {
  land: ["beach", "meadow", "desert", "snow", "sunset", "forest", "mountains", "city", "room"],
  sea: ["sea", "beach"],
  sky: ["night sky", "space", "sunset", "meadow", "mountains", "city"],
  plant: ["meadow", "desert", "snow", "mountains", "room", "beach"],
  food: ["beach", "meadow", "snow", "room"],
  thing: ["beach", "meadow", "desert", "snow", "room", "space"],
  wear: ["beach", "meadow", "snow", "room"],
  place: ["beach", "meadow", "desert", "snow", "sunset", "mountains"],
  vehicle: ["beach", "meadow", "desert", "snow", "sunset", "mountains", "city"],
};
const BOAT = /boat|canoe|ship$|ferry/;
/** The colour that most of a scene has, and the paints that are lost in it. */
const HIDES: Readonly<Partial<Record<SceneName, readonly [Background, ...Paint[]]>>> = {
  "night sky": ["dark blue", "black", "blue", "purple"],
  space: ["black", "black", "blue"],
  meadow: ["light green", "green"],
  forest: ["green", "green"],
  sea: ["blue", "blue"],
  snow: ["white", "white"],
  desert: ["beige", "yellow", "orange", "brown"],
  beach: ["beige", "white", "yellow"],
  room: ["beige", "brown", "white"],
  sunset: ["orange", "orange", "purple", "yellow"],
};

const around = (chance: Chance, reach: number): number => (2 * chance() - 1) * reach;

/** In the middle, as far from it as a smaller one can be. */
function centred(chance: Chance, thing: Thing): Placed {
  const side = 0.64 + 0.23 * chance();
  const room = (0.93 - side) / 2;
  return { thing, side, x: 0.5 + around(chance, room), y: 0.5 + around(chance, room) };
}

function single(
  kind: Composition["kind"],
  make: (art: Art, chance: Chance, background: Background) => Thing | undefined,
): Plan {
  return (art, chance) => {
    const background = oneOf(chance, backgrounds);
    const thing = make(art, chance, background);
    if (!thing) return undefined;
    return { kind, things: [thing], count: 1, layout: { behind: { background }, placed: [centred(chance, thing)] } };
  };
}

const anyStyle = (chance: Chance): ObjectStyle => weighted(chance, objectStyles);

const plans = {
  object: single("object", (art, chance, background) =>
    randomThing(art, chance, { style: anyStyle(chance), painted: 0, background }),
  ),
  paint: single("paint", (art, chance, background) =>
    randomThing(art, chance, { style: "flat", painted: 1, background }),
  ),
  shape: single("shape", (_, chance, background) => randomShape(chance, background)),
  pair: (art, chance) => {
    const background = oneOf(chance, backgrounds);
    const style = likely(chance, 0.1) ? "shape" : anyStyle(chance);
    const any = (): Thing | undefined =>
      style === "shape"
        ? randomShape(chance, background)
        : randomThing(art, chance, { style, painted: 0.65, background });
    const [a, b] = [any(), any()];
    if (!a || !b || a.noun === b.noun || (a.paint && a.paint === b.paint)) return undefined;
    const relation = weighted(chance, PAIRS);
    const side = 0.39 + 0.07 * chance();
    const upright = relation === "above" || relation === "below";
    const first = relation === "left" || relation === "above" || (relation === "next to" && likely(chance, 0.5));
    const at = (thing: Thing, before: boolean): Placed => {
      const along = (before ? 0.27 : 0.73) + around(chance, 0.02);
      const across = 0.5 + around(chance, 0.04);
      return { thing, side, x: upright ? across : along, y: upright ? along : across };
    };
    return {
      kind: "pair",
      things: [a, b],
      count: 2,
      relation,
      layout: { behind: { background }, placed: [at(a, first), at(b, !first)] },
    };
  },
  count: (art, chance) => {
    const background = oneOf(chance, backgrounds);
    const thing = likely(chance, 0.12)
      ? randomShape(chance, background)
      : randomThing(art, chance, { style: anyStyle(chance), painted: 0.5, background });
    if (!thing?.plural) return undefined;
    const count = 2 + below(chance, 3);
    const [side, ...places] = oneOf(chance, GROUPS[count]!);
    const scale = 0.94 + 0.06 * chance();
    const placed = places.map(([x, y]) => ({ thing, x, y, side: side * scale }));
    return { kind: "count", things: [thing], count, layout: { behind: { background }, placed } };
  },
  size: (art, chance) => {
    const background = oneOf(chance, backgrounds);
    const thing = randomThing(art, chance, { style: anyStyle(chance), painted: 0, background });
    if (!thing?.plural) return undefined;
    const size = likely(chance, 0.5) ? "small" : "big";
    const side = size === "small" ? 0.23 + 0.1 * chance() : 0.83 + 0.04 * chance();
    const middle = (): number => (size === "big" ? 0.5 : side / 2 + 0.03 + (0.94 - side) * chance());
    const placed = [{ thing, side, x: middle(), y: middle() }];
    return { kind: "size", things: [thing], count: 1, size, layout: { behind: { background }, placed } };
  },
  scene: (art, chance) => {
    const style = anyStyle(chance);
    const object = oneOf(
      chance,
      art.objects.filter((each) => each.styles[style]),
    );
    const scene = BOAT.test(object.noun)
      ? oneOf(chance, ["sea", "sea", "beach", "sunset"] as const)
      : oneOf(chance, WHERE[object.kind]!);
    const [near, ...hidden]: readonly [Background?, ...Paint[]] = HIDES[scene] ?? [];
    const paint = style === "flat" && object.paint && likely(chance, 0.5) ? oneOf(chance, paints) : undefined;
    if (paint ? hidden.includes(paint) : near && lost(object, style, near)) return undefined;
    const thing = paint ? paintedThing(object, paint) : plainThing(object, style);
    if (!thing) return undefined;
    const side = 0.44 + 0.14 * chance();
    const x = side / 2 + 0.02 + (0.96 - side) * chance();
    const dark = scene === "night sky" || scene === "space";
    const flies = dark || object.kind === "sky";
    const high = dark ? side / 2 + 0.03 + (0.94 - side) * chance() : 0.33 + 0.08 * chance();
    const low = scene === "sea" && object.kind === "sea" ? 0.84 : 0.82 + 0.1 * chance();
    const placed = [{ thing, side, x, y: flies ? high : low, grounded: !flies }];
    const layout = { behind: { scene, seed: below(chance, 2 ** 31) }, placed };
    return { kind: "scene", things: [thing], count: 1, layout };
  },
} as const satisfies Record<string, Plan>;

export type CompositionKind = keyof typeof plans;

/** Words for where a scene is. */
export const placeOf = (chance: Chance, scene: SceneName): string => oneOf(chance, scenes[scene].phrases);
