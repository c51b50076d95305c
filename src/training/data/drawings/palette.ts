import type { Chance } from "../dataset.ts";

/** Six digits: red, green, blue. */
export type Hex = string;

/** The colours that captions know, by what they are the colours of. */
export const palette = {
  background: {
    white: "fafafa",
    pink: "f8a9c4",
    blue: "5b8def",
    "light blue": "a9d6f5",
    green: "5fb86a",
    "light green": "b8e3a8",
    yellow: "f7d94c",
    orange: "f39a3d",
    red: "d9483b",
    purple: "9163c9",
    lavender: "cdb9ee",
    gray: "a3a8ae",
    black: "1d1f24",
    beige: "ead9bd",
    teal: "2fa39a",
    brown: "8a5f3c",
    "dark blue": "23366f",
  },
  clothes: {
    red: "d1333a",
    blue: "2f6fd0",
    green: "2f9d55",
    yellow: "f2c530",
    orange: "ee8430",
    purple: "7d4bc2",
    pink: "ee7fae",
    black: "26262b",
    white: "f1f1ef",
    gray: "8d939a",
    teal: "239a96",
    brown: "7a4f2e",
  },
  hair: {
    black: "1d1a1c",
    brown: "6b3f1d",
    "dark brown": "3f2413",
    blonde: "e8c45a",
    red: "b3321a",
    ginger: "d96b1f",
    gray: "a5a5a8",
    white: "eceae6",
    pink: "e887b4",
    blue: "3f86d6",
    green: "4da84a",
    purple: "7f4cb5",
  },
  eyes: {
    blue: "2f7fe8",
    green: "2f9a4a",
    brown: "6b3d1a",
    gray: "7d8790",
    amber: "d08a1c",
    violet: "8446c9",
    black: "17171a",
  },
  skin: { pale: "fde3cf", light: "f6cba8", tan: "dca274", brown: "a9693f", dark: "6b4029" },
  paint: {
    red: "e02b33",
    orange: "f58220",
    yellow: "fdd835",
    green: "3aa655",
    blue: "2f7fe8",
    purple: "8e4fd0",
    pink: "f47fb3",
    brown: "8a5a35",
    black: "2b2b30",
    white: "f2f2f0",
  },
} as const;

export type Palette = typeof palette;
export type Background = keyof Palette["background"];
export type Clothes = keyof Palette["clothes"];
export type HairColor = keyof Palette["hair"];
export type EyeColor = keyof Palette["eyes"];
export type Skin = keyof Palette["skin"];
export type Paint = keyof Palette["paint"];

const namesOf = <Name extends string>(colors: Readonly<Record<Name, Hex>>): Name[] => Object.keys(colors) as Name[];

export const backgrounds = namesOf(palette.background);
export const clothesColors = namesOf(palette.clothes);
export const paints = namesOf(palette.paint);

export const channels = (hex: Hex): [number, number, number] => [
  Number.parseInt(hex.slice(0, 2), 16),
  Number.parseInt(hex.slice(2, 4), 16),
  Number.parseInt(hex.slice(4, 6), 16),
];

const hexOf = (values: readonly number[]): Hex =>
  values
    .map((value) =>
      Math.round(Math.min(255, Math.max(0, value)))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("");

/** How different two colours look: the "redmean" distance (Riemersma), 0 to about 765. */
export function difference(a: Hex, b: Hex): number {
  const [x, y] = [channels(a), channels(b)];
  const red = (x[0] + y[0]) / 2;
  const [dr, dg, db] = [x[0] - y[0], x[1] - y[1], x[2] - y[2]];
  return Math.sqrt((2 + red / 256) * dr * dr + 4 * dg * dg + (2 + (255 - red) / 256) * db * db);
}

/** A colour near one: no two people have the same hair. */
export const near = (chance: Chance, hex: Hex, by = 7): Hex =>
  hexOf(channels(hex).map((value) => value + (2 * chance() - 1) * by));

export const darker = (hex: Hex, by = 0.85): Hex => hexOf(channels(hex).map((value) => value * by));

/**
 * A drawing in another colour: every fill of the hue of `from` takes the hue of `to`, and as much lighter or darker as it
 * was. Turning the hues of pixels instead gives colours without a name.
 */
export function repainted(svg: string, from: Hex, to: Hex): string {
  const [hue, , light] = hsl(from);
  const [newHue, newSaturation, newLight] = hsl(to);
  return svg.replace(/#([0-9a-f]{6}|[0-9a-f]{3})\b/gi, (found, digits: string) => {
    const long = digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits;
    const [h, s, l] = hsl(long);
    const apart = Math.min(Math.abs(h - hue), 360 - Math.abs(h - hue));
    if (s < 0.2 || apart > 34) return found;
    return `#${fromHsl(newHue, newSaturation, Math.min(0.96, Math.max(0.05, newLight + (l - light) * 0.8)))}`;
  });
}

/** Hue in degrees, saturation and lightness 0–1. */
function hsl(hex: Hex): [number, number, number] {
  const [r, g, b] = channels(hex).map((value) => value / 255) as [number, number, number];
  const [max, min] = [Math.max(r, g, b), Math.min(r, g, b)];
  const [light, span] = [(max + min) / 2, max - min];
  if (span === 0) return [0, 0, light];
  const hue = max === r ? ((g - b) / span + 6) % 6 : max === g ? (b - r) / span + 2 : (r - g) / span + 4;
  return [60 * hue, span / (1 - Math.abs(2 * light - 1)), light];
}

function fromHsl(hue: number, saturation: number, light: number): Hex {
  const reach = saturation * Math.min(light, 1 - light);
  const channel = (n: number): number => {
    const k = (n + hue / 30) % 12;
    return 255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
  };
  return hexOf([channel(0), channel(8), channel(4)]);
}
