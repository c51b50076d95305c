/** Runs of engines as the rows of a table. A run is one process that drew one picture, or a part of its steps. */
import { median, pictureSeconds } from "../dist/pipelines/timing.js";

/** A run in which more of the time than this was taken by others, or waited for, is disturbed. */
export const QUIET = 0.02;

export const isQuiet = ({ disturbed }) => disturbed <= QUIET;

/**
 * An engine's quiet runs as medians; all of its runs where none was quiet. Text and decoder count the second time, which
 * is warm. Memory is the most of any run.
 */
export function rowOf(engine, runs) {
  const quiet = runs.filter(isQuiet);
  const used = quiet.length > 0 ? quiet : runs;
  const of = (pick) => median(used.map(pick));
  return {
    engine,
    load: of(({ load_s }) => load_s),
    text: of(({ encode_s }) => encode_s.at(-1)),
    step: median(used.flatMap(({ step_s }) => step_s)),
    decode: of(({ decode_s }) => decode_s.at(-1)),
    picture: of(pictureSeconds),
    resident: Math.max(...runs.map(({ resident }) => resident)) / 1024,
    anonymous: Math.max(...runs.map(({ anonymous }) => anonymous)) / 1024,
    used: used.length,
    disturbed: quiet.length === 0,
  };
}

const HEAD = "engine|load s|text s|step s|decoder s|picture s|× ours|peak GiB|of it anonymous|runs|disturbed".split(
  "|",
);

/** The rows as cells under a head, ours first, the others from the fastest on. `× ours`: how many times as long. */
export function cellsOf([ours, ...others]) {
  const sorted = [ours, ...others.sort((a, b) => a.picture - b.picture)];
  return [
    HEAD,
    ...sorted.map((row) => [
      row.engine,
      row.load.toFixed(1),
      row.text.toFixed(2),
      row.step.toFixed(3),
      row.decode.toFixed(2),
      row.picture.toFixed(1),
      (row.picture / ours.picture).toFixed(2),
      row.resident.toFixed(1),
      row.anonymous.toFixed(1),
      `${row.used}`,
      row.disturbed ? "yes" : "no",
    ]),
  ];
}

/** Cells as a Markdown table. */
export function markdown([head, ...rows]) {
  return [head, head.map((_, i) => (i ? "--:" : "---")), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** Cells in columns, numbers to the right. */
export function columns(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const pad = (cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]));
  return rows.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
}
