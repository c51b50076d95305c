/**
 * Packs what `inkling dataset` draws from into assets/drawings: of the packages named below only the drawings that are
 * used, as SVG with places for colours and parts, and small WebP pictures of the three-dimensional ones.
 *
 *   mkdir drawings && cd drawings && npm init -y && npm install --legacy-peer-deps @dicebear/core@9.4.3 \
 *     @dicebear/pixel-art@9.4.3 @dicebear/lorelei@9.4.3 @bigheads/core@0.3.3 react@17.0.2 react-dom@17.0.2 \
 *     facesjs@5.0.3 @iconify-json/fluent-emoji-flat@1.2.6 @iconify-json/fluent-emoji@1.2.7 @iconify-json/noto@1.2.9 \
 *     @lobehub/fluent-emoji-3d@1.1.0 esbuild svgo@4 && cd - && node scripts/pack-drawings.mjs drawings
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import sharp from "sharp";

const packages = resolve(process.argv[2] ?? ".", "node_modules");
const require = createRequire(join(packages, "package.json"));
const load = (path) => import(pathToFileURL(join(packages, path)));
const out = new URL("../assets/drawings/", import.meta.url);

/** Places in a drawing: `{hair}` is a part, `{@hair}` a colour. */
const part = (name) => `{${name}}`;
const color = (name) => `{@${name}}`;
const { optimize } = await load("svgo/lib/svgo-node.js");

/** The same drawing in fewer letters; `digits` behind the point. */
function shorter(svg, digits) {
  const plugins = [
    { name: "preset-default", params: { floatPrecision: digits, overrides: { cleanupIds: { minify: true } } } },
  ];
  return optimize(svg, { multipass: true, plugins }).data;
}

/** DiceBear's own functions, given places instead of parts and colours. */
async function diceBear(style) {
  const components = await load(`@dicebear/${style}/lib/components/index.js`);
  const { create } = await load(`@dicebear/${style}/lib/index.js`);
  const colors = new Proxy({}, { get: (_, name) => color(String(name)) });
  const places = new Proxy({}, { get: (_, name) => ({ name, value: () => part(String(name)) }) });
  const parts = {};
  const firsts = {};
  for (const [slot, variants] of Object.entries(components)) {
    const drawn = Object.entries(variants).map(([name, draw]) => [name, draw(places, colors)]);
    parts[slot] = Object.fromEntries(drawn.map(([name, text]) => [name, slot === "beard" ? unmasked(text) : text]));
    // What is left of the whole, once each part is a place, is the body.
    const [first] = Object.keys(variants);
    variants[first] = () => part(slot);
    Object.assign(firsts, { [slot]: [first], [`${slot}Color`]: ["0a0b0c"], skinColor: ["0a0b0c"] });
  }
  const prng = { bool: () => true, pick: (list, spare) => list?.[0] ?? spare };
  const { attributes, body } = create({ prng, options: firsts });
  const crisp = attributes["shape-rendering"] === "crispEdges";
  const text = body.replaceAll("#0a0b0c", color("skin"));
  return { viewBox: attributes.viewBox, crisp, body: `<g fill="none">${text}</g>`, parts };
}

/** A masked shade of the hair's colour, which hardly shows, as a plain shape of it. */
const unmasked = (svg) =>
  svg.replace(/<mask[^>]*>(<path)[^>]*?( d="[^"]*" fill="[^"]*"\/>)<\/mask><g mask.*<\/g>/s, "$1$2");

/** BigHeads' own components, in colours that are places. */
async function bigHeads() {
  const { buildSync } = await load("esbuild/lib/main.js");
  const source = join(packages, "@bigheads/core/src");
  const entry = ["components/Avatar", "components/Base", "themeContext", "theme"].map(
    (file) => `export * from "./${file}";`,
  );
  const { outputFiles } = buildSync({
    stdin: { contents: entry.join("\n"), resolveDir: source, loader: "ts" },
    bundle: true,
    write: false,
    format: "cjs",
    external: ["react"],
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const module = { exports: {} };
  new Function("module", "exports", "require", outputFiles[0].text)(module, module.exports, require);
  const heads = module.exports;
  const React = require("react");
  const { renderToStaticMarkup } = require("react-dom/server");
  const shades = (name) => new Proxy({}, { get: () => ({ base: color(name), shadow: color(`${name}Shade`) }) });
  const colors = {
    ...heads.colors,
    hair: shades("hair"),
    clothing: new Proxy(
      {},
      {
        get: (_, name) => (name === "white" ? { base: "#fff", shadow: "#e2e2e2" } : shades(String(name)).any),
      },
    ),
    lipColors: shades("lips"),
  };
  const theme = { colors, skin: { base: color("skin"), shadow: color("skinShade") } };
  const markup = (Component, props = {}) => {
    const text = renderToStaticMarkup(
      React.createElement(heads.ThemeContext.Provider, { value: theme }, React.createElement(Component, props)),
    );
    return text.replaceAll("></path>", "/>").replaceAll("></circle>", "/>");
  };
  const place = (name) => () => part(name);
  const nothing = () => null;
  const both = (name) => ({ Front: place(`${name}Front`), Back: place(`${name}Back`) });
  const whole = markup(heads.Base, {
    eyes: place("eyes"),
    eyebrows: place("eyebrows"),
    mouth: place("mouth"),
    hair: both("hair"),
    facialHair: place("beard"),
    clothing: { Back: place("clothing"), Front: place("clothingFront") },
    accessory: place("glasses"),
    graphic: nothing,
    hat: both("hat"),
    body: { Front: nothing, Back: place("bodyBack") },
    mask: false,
    faceMask: false,
    clothingColor: "clothing",
    hairColor: "hair",
    hatColor: "hat",
    lipColor: "lips",
  });
  const body = whole.replace(/^<svg[^>]*>|<\/svg>$/g, "");
  const one = (map, names, props) => Object.fromEntries(names.map((name) => [name, markup(map[name], props)]));
  const side = (map, names, which, props) =>
    Object.fromEntries(names.map((name) => [name, markup(map[name][which], props(name))]));
  const hairs = ["long", "bun", "short", "pixie", "balding", "buzz", "afro", "bob"];
  const hatted = { long: 1.12, short: 1, buzz: 1 };
  // A hat is as wide as the hair under it; SVG 1.1 turns and scales around the corner.
  const hats = (which) =>
    Object.fromEntries(
      ["beanie", "turban"].flatMap((hat) =>
        Object.entries(hatted).map(([hair, scale]) => {
          const text = markup(heads.hatMap[hat][which], { color: "hat", scale });
          const around = `translate(500 495) scale(${scale}) translate(-500 -495)`;
          return [
            `${hat} ${hair}`,
            text.replace(/ style="transform-origin:center"/g, "").replaceAll(`scale(${scale})`, around),
          ];
        }),
      ),
    );
  const clothes = ["shirt", "dressShirt", "vneck", "tankTop", "dress"];
  const eyes = (withLashes) => {
    // A larger coloured iris around the dot.
    const eye = /<circle cx="([\d.]+)" cy="([\d.]+)" r="12\.24"[^>]*\/>/g;
    const iris = (_, x, y) =>
      `<circle cx="${x}" cy="${y}" r="44" fill="${color("eyes")}"/><circle cx="${x}" cy="${y}" r="15" fill="#111"/>`;
    return markup(heads.eyesMap.normal, { withLashes }).replace(eye, iris);
  };
  return {
    viewBox: "50 22 900 900",
    crisp: false,
    body,
    parts: {
      hairBack: side(heads.hairMap, hairs, "Back", () => ({ hairColor: "hair", hasHat: false })),
      hairFront: side(heads.hairMap, hairs, "Front", () => ({ hairColor: "hair", hasHat: false })),
      hatBack: hats("Back"),
      hatFront: hats("Front"),
      bodyBack: { chest: markup(heads.bodyMap.chest.Back) },
      clothing: Object.fromEntries(
        clothes.map((name) => [name, markup(heads.clothingMap[name].Back, { color: "clothing", graphic: nothing })]),
      ),
      clothingFront: { dress: markup(heads.clothingMap.dress.Front, { color: "clothing", graphic: nothing }) },
      beard: { full: markup(heads.facialHairMap.mediumBeard, { color: "hair" }) },
      eyes: { plain: eyes(false), lashes: eyes(true) },
      eyebrows: one(heads.eyebrowsMap, ["raised", "concerned"]),
      mouth: one(heads.mouthsMap, ["grin", "sad", "openSmile", "lips", "serious"], { lipColor: "lips" }),
      glasses: one(heads.accessoryMap, ["roundGlasses", "tinyGlasses", "shades"]),
    },
  };
}

/** Parts of facesjs that have names: [slot, its own name for it, the variants]. */
const FACES = [
  ["hairBack", "hairBg", /^female[2-5]$/],
  ["body", "body", /^body$/],
  ["clothing", "jersey", /^jersey[2-5]?$/],
  ["ears", "ear", /^ear1$/],
  ["head", "head", /^(head1|head2|head3|head4|female1|female2|female3)$/],
  ["freckles", "miscLine", /^freckles1$/],
  ["beard", "facialHair", /^beard[1-4]$/],
  ["eyes", "eye", /^(female1|female10|female3|female4|eye1|eye10|eye2|eye3|eye4|eye8)$/],
  ["eyebrows", "eyebrow", /^(eyebrow[1-5]|female[1-4])$/],
  ["mouth", "mouth", /^(smile|smile2|smile3|smile4|closed|straight|mouth4)$/],
  ["nose", "nose", /^(nose1|nose2|nose3|nose9|small|honker)$/],
  [
    "hair",
    "hair",
    /^(female\d+|afro2?|crop|crop-fade|short[23]?|short-bald|parted|middle-part|curly[23]?|spike[34]?|messy-short|messy|shaggy1|high)$/,
  ],
  ["glasses", "glasses", /^glasses[12]-(black|primary)$/],
  ["hat", "accessories", /^hat[23]?$/],
];

/** facesjs' own display of one part at a time, each where it belongs. */
async function faces() {
  const { faceToSvgString, generate, svgs } = await load("facesjs/build/index.js");
  const empty = { id: "none" };
  const bare = generate();
  for (const [, feature] of FACES) bare[feature] = { ...empty };
  Object.assign(bare, { fatness: 0.35, teamColors: [color("clothing"), color("clothing"), "#f4f4f4"] });
  Object.assign(bare, { eyeLine: empty, smileLine: { ...empty, size: 1 }, miscLine: empty });
  const parts = {};
  for (const [slot, feature, wanted] of FACES) {
    parts[slot] = {};
    for (const id of Object.keys(svgs[feature]).filter((name) => wanted.test(name))) {
      const face = structuredClone(bare);
      face.body = { ...face.body, color: color("skin"), size: 0.95 };
      face.hair = { ...face.hair, color: color("hair") };
      face[feature] = { ...face[feature], id, angle: 0, size: feature === "nose" ? 0.8 : 1 };
      if (feature === "head") face.head.shave = "rgba(0,0,0,0)";
      if (feature === "hat" || feature === "accessories") face.teamColors = [color("hat"), color("hat"), "#f4f4f4"];
      const kept = svgs.eye[id];
      if (feature === "eye") svgs.eye[id] = withIris(kept);
      let svg = faceToSvgString(face);
      if (feature === "eye") svgs.eye[id] = kept;
      svg = svg
        .replace(/^<svg[^>]*>|<\/svg>$/g, "")
        .replaceAll("$[faceShave]", "none")
        .replaceAll("$[headShave]", "none");
      parts[slot][id] = svg.replace(/\s*\n\s*/g, " ").trim();
    }
  }
  return { viewBox: "-50 50 500 500", crisp: false, body: FACES.map(([slot]) => part(slot)).join(""), parts };
}

/** The black of an eye, coloured. */
function withIris(svg) {
  return svg.replace(/<(path|ellipse|circle) [^>]*>/g, (tag) => {
    const pupil = /fill:#000/.test(tag) || (!/fill/.test(tag) && /stroke/.test(tag));
    if (!pupil) return tag;
    return tag
      .replace(/fill:#000;?/, "")
      .replace(/style="/, `style="fill:${color("eyes")};`)
      .replace(/stroke:#000/, `stroke:${color("eyes")}`)
      .replace(/stroke-width:\d+/, "stroke-width:10");
  });
}

/** Emoji as file names and tables spell them: code points without the sign that asks for a coloured picture. */
const codeOf = (name) =>
  name
    .toLowerCase()
    .split(/[-_ ]/)
    .filter((point) => point !== "fe0f")
    .join("-");

const STYLES = { flat: ["fluent-emoji-flat", 1], noto: ["noto", 1], glossy: ["fluent-emoji", 1] };
/** Drawings that take more letters than this are left out of their style. */
const LONGEST = 16_000;
/** Pixels of a three-dimensional one. */
const SIDE = 160;

async function objects() {
  const icons = Object.fromEntries(
    Object.entries(STYLES).map(([style, [set, digits]]) => {
      const all = require(`@iconify-json/${set}/icons.json`);
      const names = require(`@iconify-json/${set === "fluent-emoji" ? "fluent-emoji-flat" : set}/chars.json`);
      return [
        style,
        { all, digits, byCode: new Map(Object.entries(names).map(([code, name]) => [codeOf(code), name])) },
      ];
    }),
  );
  const folder = join(packages, "@lobehub/fluent-emoji-3d/assets");
  const pictures = new Map(readdirSync(folder).map((file) => [codeOf(file.replace(".webp", "")), join(folder, file)]));
  const found = [];
  const webps = [];
  let offset = 0;
  let kind = "";
  for (const line of readFileSync(new URL("drawings/nouns.txt", import.meta.url), "utf8").split("\n")) {
    if (line.startsWith("[")) kind = line.slice(1, -1);
    const [emoji, noun, plural, synonyms, natural, paint] = line
      .split("; ")
      .map((field) => (field === "-" ? undefined : field));
    if (!noun) continue;
    const code = codeOf([...emoji].map((point) => point.codePointAt(0).toString(16).padStart(4, "0")).join("-"));
    const object = {
      noun,
      plural,
      names: [noun, ...(synonyms?.split("/") ?? [])],
      kind,
      color: natural,
      styles: {},
      tones: {},
    };
    for (const [style, { all, digits, byCode }] of Object.entries(icons)) {
      const name = byCode.get(code);
      const icon = all.icons[name] ?? all.icons[all.aliases?.[name]?.parent];
      if (!icon) continue;
      const [width, height] = [icon.width ?? all.width ?? 16, icon.height ?? all.height ?? 16];
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}">${icon.body}</svg>`;
      const short = shorter(svg, digits);
      if (short.length > LONGEST) continue;
      const tones = await tonesOf(Buffer.from(short));
      if (!tones) continue;
      object.styles[style] = short;
      object.tones[style] = tones.shares;
      if (style === "flat" && paint) Object.assign(object, await paintOf(short, tones));
    }
    const picture = pictures.get(code);
    if (picture) {
      const box = { fit: "contain", background: { r: 0, g: 0, b: 0, alpha: 0 } };
      const bytes = await sharp(picture)
        .resize(SIDE, SIDE, box)
        .webp({ quality: 80, alphaQuality: 85, effort: 6 })
        .toBuffer();
      object.styles["3d"] = [offset, bytes.length];
      object.tones["3d"] = (await tonesOf(bytes)).shares;
      webps.push(bytes);
      offset += bytes.length;
    }
    found.push(object);
  }
  return { found, webp: Buffer.concat(webps) };
}

/** The colours of a drawing, coarsely, with their shares; undefined where there is next to nothing. */
async function tonesOf(bytes) {
  const { data } = await sharp(bytes, { density: 200 })
    .resize(64, 64, { fit: "contain", background: "#0000" })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const sums = new Map();
  let seen = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 160) continue;
    seen++;
    const key = [0, 1, 2].map((c) => data[i + c] >> 5).join();
    const sum = sums.get(key) ?? [0, 0, 0, 0];
    [data[i], data[i + 1], data[i + 2], 1].forEach((value, c) => {
      sum[c] += value;
    });
    sums.set(key, sum);
  }
  if (seen < 200) return undefined;
  const hex = (value) => Math.round(value).toString(16).padStart(2, "0");
  const shares = [...sums.values()]
    .sort((a, b) => b[3] - a[3])
    .slice(0, 6)
    .map(([r, g, b, n]) => [hex(r / n) + hex(g / n) + hex(b / n), Math.round((100 * n) / seen)]);
  return { shares, data, seen };
}

/** The fill that gives a flat drawing its colour, where one hue has more than half of it. */
async function paintOf(svg, { data, seen }) {
  const counts = new Map();
  const pixels = [];
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 200) continue;
    const hex = `#${[0, 1, 2].map((c) => data[i + c].toString(16).padStart(2, "0")).join("")}`;
    counts.set(hex, (counts.get(hex) ?? 0) + 1);
    pixels.push(hsl(hex));
  }
  const fills = new Set([...svg.matchAll(/#[0-9a-f]{3,6}\b/gi)].map(([hex]) => long(hex.toLowerCase())));
  const [main] = [...counts].sort((a, b) => b[1] - a[1]).find(([hex]) => fills.has(hex) && hsl(hex)[1] > 0.3) ?? [];
  if (!main) return {};
  const [hue] = hsl(main);
  const like = pixels.filter(([h, s]) => s > 0.25 && Math.min(Math.abs(h - hue), 360 - Math.abs(h - hue)) < 30).length;
  return seen > 500 && like / seen > 0.5 ? { paint: main } : {};
}

const long = (hex) => (hex.length === 4 ? `#${[...hex.slice(1)].map((c) => c + c).join("")}` : hex);

/** Hue in degrees, saturation and lightness 0–1. */
function hsl(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [max, min] = [Math.max(r, g, b), Math.min(r, g, b)];
  const [light, span] = [(max + min) / 2, max - min];
  if (span === 0) return [0, 0, light];
  const hue = max === r ? ((g - b) / span + 6) % 6 : max === g ? (b - r) / span + 2 : (r - g) / span + 4;
  return [60 * hue, span / (1 - Math.abs(2 * light - 1)), light];
}

const { found, webp } = await objects();
const portraits = {
  pixel: await diceBear("pixel-art"),
  lorelei: await diceBear("lorelei"),
  bigheads: await bigHeads(),
  faces: await faces(),
};
const json = Buffer.from(JSON.stringify({ portraits, objects: found }));
const packed = brotliCompressSync(json, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: json.length,
  },
});
mkdirSync(out, { recursive: true });
writeFileSync(new URL("drawings.json.br", out), packed);
writeFileSync(new URL("objects.webp.bin", out), webp);
const count = (style) => found.filter(({ styles }) => styles[style]).length;
console.log(
  `${found.length} objects: ${["3d", "glossy", "flat", "noto"].map((style) => `${style} ${count(style)}`).join(", ")}`,
);
console.log(
  `${found.filter(({ paint }) => paint).length} to paint; ${json.length} bytes of text, ${packed.length} packed, ${webp.length} of WebP`,
);
