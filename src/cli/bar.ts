import progress from "cli-progress";
import type { DrawingEvent, GenerateEvent } from "../pipelines/events.ts";
import type { Cli } from "./cli.ts";
import { oneLine } from "./errors.ts";
import { previewSize, showPicture } from "./preview.ts";
import { describe, describePrompt, printPath, type Reporter, type ReporterOptions, timeLeft } from "./progress.ts";

/**
 * A bar for each picture, with the preview above it. Rows for the preview are made before the bar starts, and nothing
 * else is written while it runs, so that its line stays where it is: cli-progress returns there when it stops.
 */
export function barReporter(cli: Cli, { count, preview }: ReporterOptions): Reporter {
  const { stderr, env } = cli;
  let bar: progress.SingleBar | undefined;
  let rows = 0;
  let waiting = false;
  const held: string[] = [];

  /** A line that the next one overwrites: nothing can be measured while a model loads. */
  const wait = (line: string): void => {
    stderr.write(`\r\x1b[2K${line}`);
    waiting = line !== "";
  };
  const say = (line: string): void => {
    if (bar) held.push(line);
    else {
      if (waiting) wait("");
      stderr.write(`${line}\n`);
    }
  };
  const stop = (): void => {
    if (waiting) wait("");
    bar?.stop();
    bar = undefined;
    for (const line of held.splice(0)) stderr.write(`${line}\n`);
  };
  const start = (total: number): void => {
    if (waiting) wait("");
    stderr.write("\n".repeat(rows));
    bar = new progress.SingleBar({
      stream: stderr as NodeJS.WritableStream,
      format: (options, params, payload: { text: string }) =>
        `${progress.Format.BarFormat(params.progress, options)} ${params.value}/${params.total} ${payload.text}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: Math.max(8, Math.min(32, (stderr.columns ?? 80) - 44)),
      hideCursor: true,
      gracefulExit: false,
      forceRedraw: true,
      emptyOnZero: true,
    });
    bar.start(total, 0, { text: "" });
  };
  const show = async (picture: Parameters<typeof showPicture>[1], size: { rows: number; columns: number }) => {
    const sequence = await showPicture(preview!, picture, size, env);
    // From the bar's line up to the preview's first row and back, where the place that cli-progress saved is saved anew.
    if (bar) stderr.write(`\r\x1b[${rows}A${sequence}\x1b[${rows}B\r\x1b7`);
  };
  const which = (picture: number): string => (count > 1 ? `picture ${picture + 1}/${count}, ` : "");

  if (stderr.isTTY) wait("loading …");
  return {
    note: (line) => say(`inkling: ${oneLine(line)}`),
    looksIntoSteps: preview !== undefined,
    event: async (event: GenerateEvent | DrawingEvent) => {
      switch (event.type) {
        case "model":
        case "score":
        case "best":
          return say(describe(event, count)!);
        case "step": {
          const seen = preview && "preview" in event ? event.preview : undefined;
          const size = seen && previewSize(seen, stderr);
          if (!bar) {
            rows = size?.rows ?? 0;
            start(event.calls);
          }
          bar!.update(event.call + 1, { text: `· ${which(event.picture)}${timeLeft(event.secondsLeft)}` });
          if (size && rows > 0) await show(seen!, { ...size, rows });
          return;
        }
        case "decode":
          return bar?.update({ text: `· ${which(event.picture)}decoding` });
        case "image":
          bar?.update({ text: `· ${which(event.picture)}drawn in ${event.seconds.toFixed(1)} s` });
          if (preview && rows > 0) await show(event.image, { ...previewSize(event.image, stderr), rows });
          return stop();
        default:
          return;
      }
    },
    prompt: (prompt, count) => say(describePrompt(prompt, count)),
    saved: (_, path) => printPath(path, cli),
    sheet: (path) => printPath(path, cli),
    end: stop,
  };
}
