/** What a caption says of a drawing, and whether that is so: by the words that the generator's own captions use. */

const COLOURS =
  "dark brown|black|brown|blonde|red|ginger|gray|grey|white|pink|light blue|dark blue|blue|light green|green|purple|violet|amber|orange|yellow|lavender|beige|teal";
const HAIR = "hair|haired|bun|bob|ponytail|pigtails|mohawk|afro|buzz|quiff|flat top|bowl|pixie";
const SEX = { woman: /\b(woman|lady|girl)\b/, man: /\b(man|guy|boy)\b/ };
const STYLES = {
  pixel: /pixel art/,
  lorelei: /ink drawing|comic style/,
  faces: /cartoon face|illustration/,
  "3d": /3d (icon|render)/,
  glossy: /glossy icon/,
  flat: /flat icon/,
  noto: /cartoon emoji/,
  shape: /simple (drawing|shapes)/,
  bigheads: /cartoon/,
};
const NUMBERS = { two: 2, three: 3, four: 4 };

/**
 * @param {string} caption
 * @param {{ kind: string, style: string, attrs: Record<string, unknown> }} picture as the generator records it
 * @param {(noun: string) => readonly string[]} namesOf every word for an object
 * @returns {Record<string, "right" | "wrong" | "not named">} for each attribute that this picture has
 */
export function judge(caption, { kind, style, attrs }, namesOf) {
  const found = {};
  const note = (attribute, said, true_) => {
    found[attribute] = said === undefined ? "not named" : said === true_ ? "right" : "wrong";
  };
  note("style", keyOf(STYLES, caption), style);
  if (attrs.bg) note("background", colour(caption, " background"), attrs.bg);
  if (kind === "portrait") {
    note("sex", keyOf(SEX, caption), attrs.sex);
    if (attrs.eye) note("eyes", colour(caption, "[- ]eye")?.replace("purple", "violet"), attrs.eye);
    if (attrs.hairColor !== "none")
      note("hair", colour(caption, `[- ](?:hair )?(?:${HAIR})|(?=blonde\\b)`), attrs.hairColor);
    if (attrs.glasses !== "none") note("glasses", /sunglasses|glasses/.exec(caption)?.[0], attrs.glasses);
    if (attrs.hat) note("hat", colour(caption, " (?:hat|cap|beanie|turban)"), attrs.hatColor);
    if (attrs.beard) note("beard", /beard/.test(caption) || undefined, true);
  } else if (kind !== "shape") {
    const nouns = [attrs.object ?? attrs.a, attrs.b].filter(Boolean);
    const said = nouns.filter((noun) =>
      namesOf(noun).some((name) => new RegExp(`\\b${literal(name)}\\b`).test(caption)),
    );
    // Something is always named: the question is whether it is what is there.
    if (nouns.length === 2) found["both objects"] = said.length === 2 ? "right" : "wrong";
    else found.object = said.length === 1 ? "right" : "wrong";
    if (kind === "recolor")
      note("colour of the object", colour(caption.replace(/\S+( \S+)? background/, ""), " "), attrs.color);
    if (attrs.type === "count")
      note("count", NUMBERS[keyOf({ two: /\btwo\b/, three: /\bthree\b/, four: /\bfour\b/ }, caption)], attrs.n);
  }
  return found;
}

function colour(text, after) {
  return new RegExp(`\\b(${COLOURS})(?:${after})`).exec(text)?.[1].replace("grey", "gray");
}

function keyOf(patterns, text) {
  return Object.keys(patterns).find((key) => patterns[key].test(text));
}

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Counts over all pictures: { attribute: { right, wrong, "not named" } } in the order of first appearance. */
export function tally(judged) {
  const totals = {};
  for (const found of judged) {
    for (const [attribute, verdict] of Object.entries(found)) {
      totals[attribute] ??= { right: 0, wrong: 0, "not named": 0 };
      totals[attribute][verdict]++;
    }
  }
  return totals;
}
