import { parseInfotext } from "../image/infotext.ts";
import { readMetadata, readPictureFile } from "../image/read.ts";
import { candidatesOf } from "./candidate-options.ts";
import { withCaptioner } from "./caption.ts";
import { type Cli, write } from "./cli.ts";
import { added, askFor, canAsk, type Replacement, replaced } from "./edit.ts";
import { oneLine, remark, UsageError } from "./errors.ts";
import { type FoundWords, type GenerateOptions, generate } from "./generate.ts";
import { jsonLine } from "./json.ts";

export interface VaryOptions extends GenerateOptions {
  readonly captioner?: string;
  readonly clip?: string;
  readonly describe?: boolean;
  readonly replace?: readonly Replacement[];
  readonly add?: readonly string[];
  /** False after --no-edit. */
  readonly edit?: boolean;
}

/** Where the words before the edit are from. */
type Source = "caption" | "prompt" | "given";

/** How far from the picture: its composition stays, and what the words say of colours and things is drawn. */
const STRENGTH = 0.7;

/** Under which name a picture tells the words that were edited. */
const FIELDS: Readonly<Record<Source, string | undefined>> = {
  caption: "Caption",
  prompt: "Original prompt",
  given: undefined,
};

/** A picture's words, an edit of them, and the picture drawn again by these, starting from itself. */
export async function vary(path: string, words: readonly string[], options: VaryOptions, cli: Cli): Promise<void> {
  if (options.init !== undefined) {
    throw new UsageError("--init has no place here: what is drawn starts from the picture that is varied");
  }
  // With a mask all of what is open is drawn anew, as without this command.
  const strength = options.strength ?? (options.mask === undefined ? STRENGTH : undefined);
  // The CLIP that is named is the captioner's, too.
  const clip = candidatesOf(options).of > 1 ? options.clip : undefined;
  const drawing: GenerateOptions = { ...options, clip, init: path, strength };
  return generate([""], drawing, cli, async () => {
    const { source, text } = await wordsOf(path, words, options, cli);
    const say = (what: string, line: string): void =>
      void (options.quiet || options.json || cli.stderr.write(`${what}: ${oneLine(line)}\n`));
    say(LABELS[source], text);
    const changed = edited(text, options);
    if (changed !== text) say("prompt", changed);
    const prompt = asks(options, cli) ? await askFor(changed, cli) : changed;
    const found = { source, text, prompt };
    if (options.json && !options.dryRun) await write(cli.stdout, jsonLine({ type: "words", ...found }));
    const field = FIELDS[source];
    return { prompt, fields: field ? { [field]: text } : {}, words: found } satisfies FoundWords;
  });
}

const LABELS: Readonly<Record<Source, string>> = {
  caption: "caption",
  prompt: "its own prompt",
  given: "words",
};

/** What is given, else what the picture says it was drawn by, else what the captioner sees. */
async function wordsOf(
  path: string,
  words: readonly string[],
  options: VaryOptions,
  cli: Cli,
): Promise<{ source: Source; text: string }> {
  if (words.length > 0) return { source: "given", text: words.join(" ") };
  const own = options.describe ? undefined : await ownPrompt(path);
  if (own) return { source: "prompt", text: own };
  const note = (line: string): void => void (options.quiet || remark(cli, line));
  const [caption] = await withCaptioner(options, cli, note, (captioner) =>
    captioner.caption(path, { signal: cli.signal }),
  );
  return { source: "caption", text: caption!.text };
}

/** The prompt that a picture carries; undefined where it carries none, or an empty one. */
async function ownPrompt(path: string): Promise<string | undefined> {
  const { infotext } = readMetadata(await readPictureFile(path), path);
  return infotext === undefined ? undefined : parseInfotext(infotext).prompt.trim() || undefined;
}

function edited(words: string, { replace = [], add = [] }: VaryOptions): string {
  return add.reduce(added, replace.reduce(replaced, words));
}

/** Where the options change nothing, a person at a terminal is asked. */
function asks({ replace = [], add = [], edit, json, quiet }: VaryOptions, cli: Cli): boolean {
  return replace.length + add.length === 0 && edit !== false && !json && !quiet && canAsk(cli);
}
