import { PromptError } from "./prompt-error.ts";

/** A prompt as a tree of what changes while a picture is drawn. Offsets are those of the whole prompt as typed. */
export type PromptNode = PromptText | PromptEdit | PromptAlternation;

/** Characters as typed, weights and escapes included. */
export interface PromptText {
  readonly type: "text";
  readonly text: string;
  readonly at: number;
}

/** `[from:to:when]`; `[to:when]` starts with nothing, `[from::when]` ends with nothing. */
export interface PromptEdit {
  readonly type: "edit";
  readonly at: number;
  readonly end: number;
  readonly from: readonly PromptNode[];
  readonly to: readonly PromptNode[];
  /** Below 1 a part of all steps, from 1 on a number of steps. */
  readonly when: number;
  readonly depth: number;
}

/** `[a|b|c]`: each step the next of them. */
export interface PromptAlternation {
  readonly type: "alternation";
  readonly at: number;
  readonly end: number;
  readonly options: readonly (readonly PromptNode[])[];
  readonly depth: number;
}

/** What a prompt says from the step after the previous entry's last one on. */
export interface ScheduledText {
  /** The last step that sees this text, counted from 1. */
  readonly until: number;
  readonly text: string;
  /** The offset in the prompt as typed of a character of `text`. */
  locate(offset: number): number;
}

/** An escaped character, a bracket, a sign that separates, or a run of anything else. */
const PIECES = /\\[\s\S]|[[\]():|]|[^\\[\]():|]+|\\/g;
const WHEN = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i;
const OPENED_BY: Readonly<Record<string, string>> = { "]": "[", ")": "(" };
/** Deeper than anybody writes by hand, and far from where recursion ends. */
const MAX_DEPTH = 100;

/** A bracket that is open while pieces are read. */
interface Frame {
  readonly open: string;
  /** Of the bracket itself among the nodes. */
  readonly index: number;
  /** The `:` and `|` directly inside, by their places among the nodes. */
  readonly signs: { readonly sign: string; readonly index: number }[];
}

/**
 * Reads A1111's prompt editing and alternation. A bracket that holds neither stays text, for the weights to see, and so
 * does one that is never closed or holds an unbalanced one. Linear in the length of the text.
 *
 * @param at offset of `text` in the whole prompt
 * @throws PromptError for a step that is negative or not finite, and for nesting beyond reason
 */
export function parseSchedule(text: string, { at: offset = 0, name = "prompt" } = {}): PromptNode[] {
  const nodes: PromptNode[] = [];
  let frames: Frame[] = [];
  for (const { 0: piece, index } of text.matchAll(PIECES)) {
    const at = offset + index;
    if (piece in OPENED_BY) {
      const frame = frames.pop();
      // A bracket that closes nothing breaks everything that is open around it.
      if (frame?.open !== OPENED_BY[piece]) frames = [];
      else if (piece === "]") {
        const node = changing(nodes, frame!, at + 1, name);
        if (node) {
          nodes.length = frame!.index;
          nodes.push(node);
          continue;
        }
      }
    }
    if (piece === "[" || piece === "(") frames.push({ open: piece, index: nodes.length, signs: [] });
    if (piece === ":" || piece === "|") frames.at(-1)?.signs.push({ sign: piece, index: nodes.length });
    nodes.push({ type: "text", text: piece, at });
  }
  return nodes;
}

/** What a closed square bracket at the end of `nodes` means, if it is more than text. */
function changing(
  nodes: readonly PromptNode[],
  { index: open, signs }: Frame,
  end: number,
  name: string,
): PromptNode | undefined {
  const { at } = nodes[open]!;
  const depth = 1 + nodes.slice(open + 1).reduce((most, node) => Math.max(most, depthOf(node)), 0);
  const colons = signs.filter(({ sign }) => sign === ":").map(({ index }) => index);
  const node = ((): PromptNode | undefined => {
    if (colons.length === 0 && signs.length > 0) {
      const borders = [open, ...signs.map(({ index }) => index), nodes.length];
      const options = borders.slice(1).map((border, i) => nodes.slice(borders[i]! + 1, border));
      return { type: "alternation", at, end, options, depth };
    }
    if (colons.length !== 1 && colons.length !== 2) return undefined;
    const last = nodes.slice(colons.at(-1)! + 1);
    const when = readWhen(last, name);
    if (when === undefined) return undefined;
    const [middle, border] = colons.length === 2 ? (colons as [number, number]) : [open, colons[0]!];
    return {
      type: "edit",
      at,
      end,
      from: nodes.slice(open + 1, middle),
      to: nodes.slice(middle + 1, border),
      when,
      depth,
    };
  })();
  if (node && depth > MAX_DEPTH) {
    const what = `editing inside of editing goes ${MAX_DEPTH} deep and no deeper.`;
    throw new PromptError(what, { name, at, end, shown: "[" });
  }
  return node;
}

const depthOf = (node: PromptNode): number => (node.type === "text" ? 0 : node.depth);

/** The number that ends an edit, or undefined where there is none. */
function readWhen(nodes: readonly PromptNode[], name: string): number | undefined {
  const [node] = nodes;
  if (nodes.length !== 1 || node!.type !== "text") return undefined;
  const shown = node!.text.trim();
  if (!WHEN.test(shown)) return undefined;
  const when = Number(shown);
  if (when >= 0 && Number.isFinite(when)) return when;
  const at = node!.at + node!.text.indexOf(shown);
  const place = { name, at, end: at + shown.length, shown };
  throw new PromptError("a prompt is edited at a step from 0 on, or at a part of all steps such as 0.5.", place);
}

/**
 * The texts that a prompt goes through in `steps` steps, each with the last step that sees it. Neighbours may be equal.
 */
export function scheduleOf(nodes: readonly PromptNode[], steps: number): ScheduledText[] {
  const ends = new Set([steps]);
  const collect = (node: PromptNode): void => {
    if (node.type === "edit") {
      const last = lastStep(node, steps);
      if (last >= 1) ends.add(last);
      node.from.forEach(collect);
      node.to.forEach(collect);
    } else if (node.type === "alternation") {
      for (let step = 1; step <= steps; step++) ends.add(step);
      for (const option of node.options) option.forEach(collect);
    }
  };
  nodes.forEach(collect);
  return [...ends].sort((a, b) => a - b).map((until) => ({ until, ...textAt(nodes, until, steps) }));
}

/** The last step before the edit. */
function lastStep({ when }: PromptEdit, steps: number): number {
  return Math.min(steps, Math.trunc(when < 1 ? when * steps : when));
}

function textAt(nodes: readonly PromptNode[], step: number, steps: number): Omit<ScheduledText, "until"> {
  const pieces: { start: number; at: number }[] = [];
  let text = "";
  const add = (node: PromptNode): void => {
    if (node.type === "edit") (step <= lastStep(node, steps) ? node.from : node.to).forEach(add);
    else if (node.type === "alternation") node.options[(step - 1) % node.options.length]!.forEach(add);
    else {
      pieces.push({ start: text.length, at: node.at });
      text += node.text;
    }
  };
  nodes.forEach(add);
  return {
    text,
    locate(offset) {
      let [low, high] = [0, pieces.length];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (pieces[middle]!.start <= offset) low = middle;
        else high = middle;
      }
      const piece = pieces[low];
      return piece ? piece.at + (offset - piece.start) : 0;
    },
  };
}
