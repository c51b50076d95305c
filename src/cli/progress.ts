import type { DrawingEvent, GenerateEvent } from "../pipelines/events.ts";
import type { PromptEvent } from "../pipelines/writing.ts";
import type { Cli } from "./cli.ts";
import { oneLine } from "./errors.ts";
import type { PreviewKind } from "./preview.ts";

/** Tells the user how a drawing goes on. */
export interface Reporter {
  note(line: string): void;
  /** It tells of steps what they came to; others only that they were taken. */
  readonly looksIntoSteps?: boolean;
  event(event: GenerateEvent | DrawingEvent): Promise<void> | void;
  /** A prompt was written, one of `count`. */
  prompt(prompt: PromptEvent, count: number): void;
  /** A picture lies on the disk; `path` is undefined where it went to stdout. */
  saved(picture: number, path: string | undefined): void;
  /** A sheet of all pictures lies on the disk. */
  sheet(path: string): void;
  /** Leaves the terminal as it was found. May be called more than once. */
  end(): void;
}

export interface ReporterOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly count: number;
  readonly preview?: PreviewKind;
}

/** Paths are results: they go to stdout, one a line. */
export function printPath(path: string | undefined, { stdout }: Pick<Cli, "stdout">): void {
  if (path !== undefined) stdout.write(`${path}\n`);
}

/** An event in a line, or undefined where there is nothing to tell. */
export function describe(event: DrawingEvent, count: number): string | undefined {
  const which = "picture" in event && count > 1 ? `picture ${event.picture + 1}/${count}: ` : "";
  switch (event.type) {
    case "model":
      return `${oneLine(event.model)} on ${event.device}${event.precision === "float16" ? " in float16" : ""} (${event.reason}), loaded in ${event.seconds.toFixed(1)} s`;
    case "start":
      return `${which}seed ${event.seed}`;
    case "step":
      return `${which}step ${event.call + 1}/${event.calls}, ${timeLeft(event.secondsLeft)}`;
    case "decode":
      return `${which}decoding, ${timeLeft(event.secondsLeft)}`;
    case "image":
      return `${which}drawn in ${event.seconds.toFixed(1)} s`;
    case "score":
      return `${which}CLIP score ${event.score.toFixed(2)}`;
    case "best":
      return `${which}the best of ${event.of}, seed ${event.seed}, CLIP score ${event.score.toFixed(2)}`;
    default:
      return undefined;
  }
}

/** A written prompt in a line, its score before it where it has one. */
export function describePrompt({ index, text, score }: PromptEvent, count: number): string {
  const close = score === undefined ? "" : ` (closeness ${score.toFixed(2)})`;
  return `prompt ${index + 1}/${count}: ${oneLine(text)}${close}`;
}

export function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds)) return "time left unknown";
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s left`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s left`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min left`;
}

/** The one warning about a prompt that is longer than the model reads. */
export function droppedNote(dropped: string): string | undefined {
  const words = dropped.trim().split(/\s+/).filter(Boolean);
  if (words.length === 0) return undefined;
  const first = words[0]!.length > 40 ? `${words[0]!.slice(0, 40)}…` : words[0];
  const what =
    words.length === 1 ? `its last word ("${first}") was` : `its last ${words.length} words (from "${first}" on) were`;
  return `The prompt is longer than the model reads: ${what} dropped.`;
}
