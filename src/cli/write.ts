import { readFile } from "node:fs/promises";
import { parseBanList } from "../pipelines/ban-list.ts";
import type { PromptWriterOptions } from "../pipelines/prompt-writer.ts";
import type { Goal } from "../pipelines/settings.ts";
import type { PromptEvent, WriteEvents, WriteSettings, WritingDoneEvent } from "../pipelines/writing.ts";
import { defined, InputError, randomSeed } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import { type ConfigOptions, findConfig } from "./config.ts";
import { asUsage, oneLine, remark, UsageError } from "./errors.ts";
import { goalAsked } from "./goal.ts";
import { jsonLine } from "./json.ts";
import { machineOf } from "./machine.ts";
import type { MachineFlags } from "./options.ts";
import type { WritingOptions } from "./writing-options.ts";

export interface WriteOptions extends WritingOptions, ConfigOptions, MachineFlags {
  readonly goal?: string;
  readonly count?: number;
  readonly seed?: number;
  readonly model?: string;
  readonly weights?: PromptWriterOptions["weights"];
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Writes prompts: each goes to stdout as soon as it is finished, remarks to stderr. */
export async function writePromptLines(words: readonly string[], options: WriteOptions, cli: Cli): Promise<void> {
  const { json, quiet } = options;
  const say = (line: string): void => void (quiet || remark(cli, line));
  const file = await findConfig(options, cli);
  const { defaults = {} } = file.config;
  const settings: WriteSettings = {
    ...(await writingSettings(options, await goalAsked(options, file))),
    beginning: words.join(" "),
    seed: options.seed ?? randomSeed(),
    signal: cli.signal,
  };
  const writer = await cli.engine.openWriter({
    model: options.model,
    clip: options.clip,
    ...(await machineOf(options, defaults)),
    weights: options.weights,
    signal: cli.signal,
    onNote: say,
    env: cli.env,
  });
  try {
    cli.signal.throwIfAborted();
    const events = await asUsage(() => writer.stream(settings));
    const scores: string[] = [];
    const done = await each(events, async ({ type: _, index: __, ...prompt }) => {
      if (prompt.score !== undefined) scores.push(prompt.score.toFixed(2));
      await write(cli.stdout, json ? jsonLine(prompt) : `${lineOf(prompt, cli.stdout.isTTY)}\n`);
    });
    cli.signal.throwIfAborted();
    if (scores.length > 0 && !json && !cli.stdout.isTTY) say(`closeness to the beginning ${scores.join(", ")}`);
    for (const note of [candidatesNote(settings), fewerNote(done, settings)]) if (note) say(note);
    if (options.seed === undefined && settings.temperature !== 0) say(`seed ${settings.seed}`);
  } finally {
    await writer.close();
  }
}

/**
 * What the options say, the ban list read; what they leave open is the goal's.
 *
 * @throws UsageError where there are fewer candidates than prompts; InputError where the ban list cannot be read
 */
export async function writingSettings(
  options: WritingOptions & { readonly count?: number },
  goal: Goal | undefined,
): Promise<WriteSettings> {
  const { ban, count, maxLength, temperature, topK, topP, repetitionPenalty, wholeWords, candidates } = options;
  const list = ban === undefined ? undefined : parseBanList(await readBanList(ban));
  const given = { count, maxLength, temperature, topK, topP, repetitionPenalty, wholeWords, candidates, ban: list };
  const settings: WriteSettings = { ...goal?.writer, ...defined(given) };
  if (candidates !== undefined && candidates < (settings.count ?? 1)) {
    throw new UsageError(`--candidates ${candidates} are fewer than the ${settings.count} prompts to be kept of them`);
  }
  return settings;
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

/** A prompt as a line; on a terminal its score, if it has one, stands before it. */
function lineOf({ text, score }: Pick<PromptEvent, "text" | "score">, terminal = false): string {
  return score === undefined || !terminal ? oneLine(text) : `${score.toFixed(2).padStart(6)}  ${oneLine(text)}`;
}

/** Why candidates are not looked at, where they are not. */
export function candidatesNote({ candidates, beginning = "" }: WriteSettings): string | undefined {
  if (candidates === undefined || beginning.trim() !== "") return undefined;
  return "--candidates are compared with the beginning, and there is none: no more are written than are asked for.";
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

async function readBanList(path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof TypeError) throw new InputError(`The ban list ${path} is not UTF-8 text.`, { cause: error });
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message;
    throw new InputError(`The ban list ${path} cannot be read: ${reason}.`, { cause: error });
  }
}
