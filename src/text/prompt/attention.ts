import { PromptError } from "./prompt-error.ts";

/** A run of a prompt whose words have one weight. */
export interface Fragment {
  /** Without the brackets and backslashes that were syntax. */
  readonly text: string;
  /** 1 is neutral; −1 where it is a break. */
  readonly weight: number;
  /** Offset of its first character in the prompt as typed. */
  readonly at: number;
  /** `BREAK`: what follows begins a new row of tokens. */
  readonly isBreak: boolean;
}

export interface AttentionOptions {
  /** Offsets in the prompt as typed, where `text` is what a schedule made of it. */
  readonly locate?: (offset: number) => number;
  /** What the text is called in errors. */
  readonly name?: string;
}

const ROUND = 1.1;
const SQUARE = 1 / 1.1;
/** An escape, a bracket, a weight with the bracket that it closes, a run of anything else, a lone colon. */
const PIECES = /\\[()[\]\\]|\\|[([\])]|:\s*([+-]?[.\d]+(?:e[+-]?\d+)?)\s*\)|[^\\()[\]:]+|:/gi;
const BREAK = /\s*\bBREAK\b\s*/g;

/**
 * Reads A1111's attention: `(x)` × 1.1, `[x]` ÷ 1.1, `(x:1.5)` × 1.5, nested ones multiplied; a bracket that is never
 * closed holds to the end, one that closes nothing is text, and so is one behind a backslash. Neighbours of equal weight
 * are one fragment. An empty text is one empty fragment.
 *
 * `BREAK` is one inside of brackets too (the web UI takes it for a word there).
 *
 * @throws PromptError for a weight that is no number or not finite
 */
export function parseAttention(text: string, { locate = (at) => at, name = "prompt" }: AttentionOptions = {}) {
  const fragments: { text: string; weight: number; at: number; isBreak: boolean }[] = [];
  const open: Record<"(" | "[", number[]> = { "(": [], "[": [] };
  const add = (words: string, offset: number): void => {
    fragments.push({ text: words, weight: 1, at: locate(offset), isBreak: false });
  };
  const multiply = (from: number, factor: number): void => {
    for (let i = from; i < fragments.length; i++) if (!fragments[i]!.isBreak) fragments[i]!.weight *= factor;
  };
  for (const { 0: piece, 1: weight, index } of text.matchAll(PIECES)) {
    if (piece === "(" || piece === "[") open[piece].push(fragments.length);
    else if (piece === ")" && open["("].length > 0) multiply(open["("].pop()!, ROUND);
    else if (piece === "]" && open["["].length > 0) multiply(open["["].pop()!, SQUARE);
    else if (weight !== undefined && open["("].length > 0 && /\d/.test(weight)) {
      const offset = index + piece.indexOf(weight);
      multiply(open["("].pop()!, readWeight(weight, locate(offset), name));
    } else if (piece.startsWith("\\")) add(piece.slice(1), index);
    else {
      let start = 0;
      for (const found of piece.matchAll(BREAK)) {
        add(piece.slice(start, found.index), index + start);
        const at = locate(index + found.index + found[0].indexOf("BREAK"));
        fragments.push({ text: "BREAK", weight: -1, at, isBreak: true });
        start = found.index + found[0].length;
      }
      add(piece.slice(start), index + start);
    }
  }
  for (const from of open["("]) multiply(from, ROUND);
  for (const from of open["["]) multiply(from, SQUARE);
  if (fragments.length === 0) add("", 0);
  return merged(fragments, name);
}

function readWeight(shown: string, at: number, name: string): number {
  const weight = Number(shown);
  if (Number.isFinite(Math.fround(weight))) return weight;
  const place = { name, at, end: at + shown.length, shown };
  throw new PromptError(
    "a weight has to be a finite number such as 1.3; \\( and \\) are brackets without a weight.",
    place,
  );
}

/** One fragment where neighbours have one weight. */
function merged(fragments: readonly Fragment[], name: string): Fragment[] {
  const out: { text: string; weight: number; at: number; isBreak: boolean }[] = [];
  for (const fragment of fragments) {
    const last = out.at(-1);
    if (last && !last.isBreak && !fragment.isBreak && last.weight === fragment.weight) last.text += fragment.text;
    else out.push({ ...fragment });
  }
  for (const { text, weight, at } of out) {
    if (Number.isFinite(Math.fround(weight))) continue;
    const place = { name, at, end: at + text.length, shown: text };
    throw new PromptError("its weights multiply to more than a number can hold.", place);
  }
  return out;
}
