/**
 * Do better scores mean fewer unrelated objects? Writes many prompts from each of some beginnings, and counts those that
 * bring a second thing in ("beside a …", "and a …", "holding a …"): by quarters of the score, and for the best of k.
 *
 *     npm run build && node bench/candidates.mjs [temperature]
 */
import { openPromptWriter } from "../dist/index.js";

const BEGINNINGS = [
  "a castle",
  "a cat",
  "a red house",
  "a steampunk robot",
  "a rose",
  "a blue car",
  "a penguin",
  "two apples",
];
const EACH = 120;
/** A place beside, or a second subject; a background and a place to stand in are no second thing. */
const SECOND =
  /\b(beside|next to|above|below|on top of|to the (?:left|right) of|holding|and) (?:an?|two|three|four|the) (?!\S+ background|background)/;

const temperature = Number(process.argv[2] ?? 1);
const writer = await openPromptWriter();
const groups = [];
for (const beginning of BEGINNINGS) {
  const prompts = await writer.write({ beginning, count: EACH, candidates: EACH, seed: 1000, temperature });
  groups.push(
    prompts.map(({ text, score, seed }) => ({ text, score, seed, second: SECOND.test(text.slice(beginning.length)) })),
  );
  for (const { score, text } of [...prompts.slice(0, 2), ...prompts.slice(-2)]) console.log(score.toFixed(2), text);
}
await writer.close();

const percent = (rows) => `${((100 * rows.filter(({ second }) => second).length) / rows.length).toFixed(1)} %`;
const words = (rows) => (rows.reduce((sum, { text }) => sum + text.split(" ").length, 0) / rows.length).toFixed(1);
console.log(
  `temperature ${temperature}, ${groups.flat().length} prompts: ${percent(groups.flat())} name a second thing`,
);
for (let q = 0; q < 4; q++) {
  const rows = groups.flatMap((group) => group.slice((q * group.length) / 4, ((q + 1) * group.length) / 4));
  const mean = rows.reduce((sum, { score }) => sum + score, 0) / rows.length;
  console.log(`quarter ${q + 1} by score (mean ${mean.toFixed(2)}): ${percent(rows)}, ${words(rows)} words`);
}
for (const k of [1, 2, 3, 4, 8]) {
  const best = groups.flatMap((group) => {
    const drawn = [...group].sort((a, b) => a.seed - b.seed);
    const rounds = Array.from({ length: Math.floor(drawn.length / k) }, (_, i) => drawn.slice(i * k, (i + 1) * k));
    return rounds.map((round) => round.reduce((a, b) => (b.score > a.score ? b : a)));
  });
  console.log(`best of ${k}: ${percent(best)}, ${words(best)} words`);
}
