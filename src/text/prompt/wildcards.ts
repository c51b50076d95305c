import { CpuGenerator, InputError } from "../../tensor/index.ts";
import { PromptError } from "./prompt-error.ts";

/** Where the options of `__name__` come from. */
export interface Wildcards {
  /** Every name there is, such as `animals/cats`. */
  names(): Promise<readonly string[]>;
  /** The text of a file of options, one a line. Rejects with an InputError where there is no such name. */
  read(name: string): Promise<string>;
}

export interface ExpandOptions extends Wildcards {
  /** Of the choices: integer, cut to 32 bits. */
  readonly seed: number;
}

/** Two underscores on each side, no space and no other two inside: `__animals/cats__`, `__animals/*__`. */
const WILDCARD = /__((?:(?!__)\S)+)__/g;
/** A wildcard in an option of a wildcard … */
const MAX_DEPTH = 20;
/** … and choices in all, since files may ask for each other many times over. */
const MAX_CHOICES = 10_000;

/** Whether a text asks for a wildcard at all. */
export function hasWildcards(text: string): boolean {
  return text.search(WILDCARD) >= 0;
}

/**
 * Puts one line of the file in place of each `__name__`, lines that ask for wildcards themselves included. Lines that are
 * empty or begin with `#` are none. `*` stands for any part of one folder's names, `**` also goes through folders; the
 * options of all files that match are one list, in the order of their names.
 *
 * The choices are `randint(0, options)` of torch's CPU generator of that seed, from left to right, those inside a chosen
 * line before what follows it.
 *
 * @throws PromptError for a name that leaves the folder or matches nothing, InputError for files without options or that
 *   ask for each other without end, and what `read` says
 */
export async function expandWildcards(text: string, options: ExpandOptions): Promise<string> {
  return (await expandAll([["prompt", text]], options))[0]!;
}

/** The same for several named texts, one after the other from one generator. */
export async function expandAll(
  texts: readonly (readonly [name: string, text: string])[],
  { names, read, seed }: ExpandOptions,
): Promise<string[]> {
  const generator = new CpuGenerator(seed);
  let choices = 0;
  const expand = async (text: string, within: readonly string[], prompt: string): Promise<string> => {
    let expanded = "";
    let end = 0;
    for (const { 0: shown, 1: pattern, index } of text.matchAll(WILDCARD)) {
      const place = { name: prompt, at: index, end: index + shown.length, shown };
      if (within.length === MAX_DEPTH || ++choices > MAX_CHOICES) {
        throw new InputError(`The wildcards ask for each other without end: ${[...within, pattern].join(" → ")}.`);
      }
      const found = await filesOf(pattern!, names);
      const wrong =
        found === undefined ? "a wildcard's name may not leave the folder." : "no wildcard file has such a name.";
      if (!found?.length)
        throw within.length > 0 ? inFile(within.at(-1)!, shown, wrong) : new PromptError(wrong, place);
      const lines = (await Promise.all(found.map(read))).flatMap(optionsOf);
      if (lines.length === 0)
        throw new InputError(`The wildcard ${shown} has no options: its file holds no line to take.`);
      const [choice] = generator.randint(0, lines.length, [1]);
      expanded += text.slice(end, index) + (await expand(lines[choice!]!, [...within, pattern!], prompt));
      end = index + shown.length;
    }
    return expanded + text.slice(end);
  };
  const expanded: string[] = [];
  for (const [name, text] of texts) expanded.push(await expand(text, [], name));
  return expanded;
}

function inFile(file: string, shown: string, what: string): InputError {
  return new InputError(`The wildcard ${shown}, which "${file}" asks for, is wrong: ${what}`);
}

/** The names that a pattern stands for; undefined for one that could lead out of the folder. */
async function filesOf(pattern: string, names: Wildcards["names"]): Promise<readonly string[] | undefined> {
  if (pattern.includes("\\") || pattern.split("/").some((part) => /^\.{0,2}$/.test(part))) return undefined;
  if (!pattern.includes("*")) return [pattern];
  const parts = pattern.split(/(\*\*\/|\*\*|\*)/).map((part) => {
    if (part === "**/") return "(?:[^/]+/)*";
    return part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&");
  });
  const matches = new RegExp(`^${parts.join("")}$`, "u");
  return (await names()).filter((name) => matches.test(name)).sort();
}

function optionsOf(file: string): string[] {
  return file
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
