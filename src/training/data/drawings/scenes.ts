import { below, likely, oneOf } from "../chance.ts";
import type { Chance } from "../dataset.ts";

/** Where the ground of a scene begins, and how a scene is told of. */
interface Scene {
  readonly phrases: readonly string[];
  /** SVG of a square of 256; `horizon` is where the ground begins. */
  draw(chance: Chance, horizon: number): string;
}

const SKIES = ["#9adcff", "#8fd3ff", "#b5e3ff"] as const;

const box = (y: number, height: number, fill: string): string =>
  `<rect y="${y}" width="256" height="${height}" fill="${fill}"/>`;
const ground = (horizon: number, fill: string): string => box(horizon, 256 - horizon, fill);
const disc = (x: number, y: number, r: number, fill: string): string =>
  `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}"/>`;
const shape = (path: string, fill: string): string => `<path d="${path}" fill="${fill}"/>`;
const sun = (chance: Chance): string => disc(30 + below(chance, 196), 36, 18, "#ffd83d");

function fade(top: string, bottom: string): string {
  const stops = `<stop stop-color="${top}"/><stop offset="1" stop-color="${bottom}"/>`;
  return `<linearGradient id="sky" x2="0" y2="1">${stops}</linearGradient>${box(0, 256, "url(#sky)")}`;
}

function cloud(chance: Chance): string {
  const [x, y] = [40 + below(chance, 170), 36 + below(chance, 16)];
  return `<g fill="#fff"><ellipse cx="${x}" cy="${y}" rx="26" ry="11"/><circle cx="${x - 8}" cy="${y - 8}" r="11"/><circle cx="${x + 9}" cy="${y - 6}" r="9"/></g>`;
}

function dots(chance: Chance, count: number, height = 256): string {
  const dot = (): string => disc(256 * chance(), height * chance(), 0.8 + 1.8 * chance(), "#fff");
  return Array.from({ length: count }, dot).join("");
}

function hills(chance: Chance, y: number, fill: string): string {
  const hill = (x: number): string =>
    `<ellipse cx="${x + below(chance, 60)}" cy="${y + 66}" rx="${130 + below(chance, 40)}" ry="${76 + below(chance, 16)}" fill="${fill}"/>`;
  return hill(34) + hill(162);
}

function peak(x: number, y: number, height: number, fill: string): string {
  const half = 0.8 * height;
  const snow = `M${x} ${y - height}l${0.3 * half} ${0.3 * height}l${-0.2 * half} ${-0.06 * height}l${-0.18 * half} ${0.08 * height}l${-0.22 * half} ${-0.02 * height}Z`;
  return shape(`M${x} ${y - height}L${x + half} ${y}H${x - half}Z`, fill) + shape(snow, "#fff");
}

function pines(chance: Chance, y: number): string {
  const pine = (x: number): string => {
    const height = 90 + below(chance, 50);
    const trunk = `<rect x="${x - 5}" y="${y - 14}" width="10" height="18" fill="#6b4428"/>`;
    const green = oneOf(chance, ["#2f7d46", "#3b9152", "#27693b"]);
    return trunk + shape(`M${x} ${y - height}l${0.3 * height} ${0.9 * height}h${-0.6 * height}Z`, green);
  };
  return Array.from({ length: 9 }, (_, i) => pine(32 * i + below(chance, 12) - 6)).join("");
}

function houses(chance: Chance, y: number): string {
  let drawn = "";
  for (let x = -6; x < 256; ) {
    const [width, height] = [30 + below(chance, 16), 60 + below(chance, 80)];
    const wall = oneOf(chance, ["#6f7f96", "#8894a8", "#5d6b82", "#96808a"]);
    drawn += `<rect x="${x}" y="${y - height}" width="${width}" height="${height}" fill="${wall}"/>`;
    for (let v = y - height + 8; v < y - 12; v += 16) {
      for (let u = x + 6; u < x + width - 8; u += 12)
        drawn += `<rect x="${u}" y="${v}" width="6" height="8" fill="#ffe9a8"/>`;
    }
    x += width + below(chance, 6);
  }
  return drawn;
}

const waves = (y: number): string =>
  [0, 26, 52]
    .map(
      (down) =>
        `<path d="M-20 ${y + down}${"q20 -9 40 0t40 0".repeat(4)}" stroke="#7db8ec" stroke-width="3" fill="none"/>`,
    )
    .join("");

/** Places where things are drawn. */
export const scenes = {
  beach: {
    phrases: ["on a beach", "at the beach", "on the beach"],
    draw: (chance, y) =>
      fade(oneOf(chance, SKIES), "#dff3ff") +
      box(y - 30, 40, "#3f9fd8") +
      shape(`M0 ${y + 6}Q64 ${y - 4} 128 ${y + 4}T256 ${y + 2}V256H0Z`, "#f3dda0") +
      (likely(chance, 0.5) ? sun(chance) : cloud(chance)),
  },
  meadow: {
    phrases: ["on a green meadow", "in a meadow", "on green grass"],
    draw: (chance, y) =>
      box(0, 256, oneOf(chance, SKIES)) +
      hills(chance, y - 30, "#8bd15e") +
      ground(y, "#6cc04a") +
      (likely(chance, 0.5) ? cloud(chance) : sun(chance)),
  },
  "night sky": {
    phrases: ["in the night sky", "at night under the stars", "in a starry night sky"],
    draw: (chance) => fade("#0b1440", "#22327a") + dots(chance, 34),
  },
  desert: {
    phrases: ["in the desert", "in a sandy desert"],
    draw: (_, y) =>
      fade("#fbd7a0", "#fbe6c4") +
      shape(`M0 ${y}Q70 ${y - 34} 140 ${y}T256 ${y - 8}V256H0Z`, "#e0a050") +
      shape(`M0 ${y + 24}Q100 ${y} 256 ${y + 26}V256H0Z`, "#d4923f"),
  },
  snow: {
    phrases: ["in the snow", "on a snowy field"],
    draw: (chance, y) =>
      fade("#a9d0ef", "#dcecf8") + hills(chance, y - 24, "#e9f2fa") + ground(y, "#fbfdff") + dots(chance, 22, y),
  },
  sea: {
    phrases: ["on the sea", "in the sea"],
    draw: (chance, y) => fade(oneOf(chance, SKIES), "#e4f5ff") + ground(y - 20, "#2a78c8") + waves(y + 10),
  },
  sunset: {
    phrases: ["at sunset", "in front of a sunset"],
    draw: (chance, y) =>
      fade("#7a4f9a", "#ff9a4a") + disc(70 + below(chance, 116), y - 16, 30, "#ffe066") + ground(y, "#4b3a63"),
  },
  forest: {
    phrases: ["in a forest", "in the woods"],
    draw: (chance, y) => box(0, 256, "#cfeccf") + pines(chance, y + 4) + ground(y, "#7aa857"),
  },
  mountains: {
    phrases: ["in front of mountains", "near the mountains"],
    draw: (chance, y) =>
      box(0, 256, oneOf(chance, SKIES)) +
      peak(30 + below(chance, 60), y, 90 + below(chance, 30), "#7c8794") +
      peak(150 + below(chance, 70), y, 100 + below(chance, 40), "#68737f") +
      ground(y - 1, "#7cbf5a"),
  },
  space: {
    phrases: ["in space", "in outer space"],
    draw: (chance) =>
      box(0, 256, "#0c0a20") +
      dots(chance, 46) +
      disc(
        20 + below(chance, 216),
        10 + below(chance, 40),
        12 + below(chance, 14),
        oneOf(chance, ["#c9733f", "#7a8be0"]),
      ),
  },
  city: {
    phrases: ["in a city", "in front of city buildings"],
    draw: (chance, y) =>
      box(0, 256, oneOf(chance, ["#bfe3fb", "#f9d9b8", "#c9c6ee"])) +
      houses(chance, y) +
      ground(y, "#63666e") +
      `<path d="M0 ${y + 46}H256" stroke="#f5f0d0" stroke-width="4" stroke-dasharray="26 18"/>`,
  },
  room: {
    phrases: ["in a room", "on a wooden floor"],
    draw: (chance, y) =>
      box(0, 256, oneOf(chance, ["#f1e3cf", "#cfe3ea", "#e8d6e6", "#dbe8cf"])) +
      `<rect x="${16 + below(chance, 44)}" y="24" width="60" height="66" fill="#a9d8f5" stroke="#fff" stroke-width="6"/>` +
      ground(y, "#b98552") +
      box(y - 6, 7, "#8d6238"),
  },
} as const satisfies Record<string, Scene>;

export type SceneName = keyof typeof scenes;

/** A scene as SVG. */
export function sceneSvg(name: SceneName, chance: Chance): string {
  const drawn = scenes[name].draw(chance, 158 + below(chance, 22));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 256">${drawn}</svg>`;
}
