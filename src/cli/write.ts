import { readFile } from "node:fs/promises";
import { parseBanList } from "../pipelines/ban-list.ts";
import type { PromptWriterOptions } from "../pipelines/prompt-writer.ts";
import type { PromptEvent, WriteEvents, WriteSettings, WritingDoneEvent } from "../pipelines/writing.ts";
import { InputError } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import { asUsage, oneLine } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { deviceOf } from "./settings.ts";
import type { WritingOptions } from "./writing-options.ts";

export interface WriteOptions extends WritingOptions {
  readonly count?: number;
  readonly seed?: number;
  readonly model?: string;
  readonly device?: string;
  readonly threads?: number;
  readonly weights?: PromptWriterOptions["weights"];
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Writes prompts: each goes to stdout as soon as it is finished, remarks to stderr. */
export async function writeCommand(words: readonly string[], options: WriteOptions, cli: Cli): Promise<void> {
  const { json, quiet } = options;
  const say = (line: string): void => void (quiet || cli.stderr.write(`inkling: ${oneLine(line)}\n`));
  const settings: WriteSettings = {
    ...(await writingSettings(options)),
    beginning: words.join(" "),
    count: options.count,
    seed: options.seed ?? randomSeed(),
    signal: cli.signal,
  };
  const writer = await cli.engine.openWriter({
    model: options.model,
    device: await deviceOf(options.device),
    threads: options.threads,
    weights: options.weights,
    signal: cli.signal,
    onNote: say,
    env: cli.env,
  });
  try {
    cli.signal.throwIfAborted();
    const events = await asUsage(() => writer.stream(settings));
    const done = await each(events, async ({ type: _, index: __, ...prompt }) => {
      await write(cli.stdout, json ? jsonLine(prompt) : `${oneLine(prompt.text)}\n`);
    });
    cli.signal.throwIfAborted();
    const note = fewerNote(done, settings);
    if (note) say(note);
    if (options.seed === undefined && settings.temperature !== 0) say(`seed ${settings.seed}`);
  } finally {
    await writer.close();
  }
}

/** What the options say, the ban list read. */
export async function writingSettings(options: WritingOptions): Promise<WriteSettings> {
  const { ban, maxLength, temperature, topK, topP, repetitionPenalty, wholeWords } = options;
  const list = ban === undefined ? undefined : parseBanList(await readBanList(ban));
  const settings = { maxLength, temperature, topK, topP, repetitionPenalty, wholeWords, ban: list };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Hands every prompt on as it comes, and returns how it went. */
export async function each(
  events: WriteEvents,
  onPrompt: (prompt: PromptEvent) => Promise<void>,
): Promise<WritingDoneEvent> {
  for await (const event of events) {
    if (event.type === "prompt") await onPrompt(event);
    if (event.type === "done") return event;
  }
  throw new Error("The writer stopped without saying so.");
}

/** Why there are fewer prompts than were asked for. */
export function fewerNote(
  { asked, written, drawn, duplicates, banned }: WritingDoneEvent,
  { temperature }: WriteSettings,
): string | undefined {
  if (written === asked) return undefined;
  const came = `${written} of ${asked} prompts were written`;
  if (temperature === 0 && banned === 0) return `${came}: at temperature 0 every further one would be the same.`;
  const reasons = [
    ...(duplicates > 0 ? [`${duplicates} were there already`] : []),
    ...(banned > 0 ? [`${banned} held what is banned`] : []),
  ];
  return `${came}: of ${drawn} that were drawn, ${reasons.join(" and ")}. A higher temperature gives more variety.`;
}

export const randomSeed = (): number => Math.floor(Math.random() * 2 ** 32);

async function readBanList(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message;
    throw new InputError(`The ban list ${path} cannot be read: ${reason}.`, { cause: error });
  }
}
