import progress from "cli-progress";
import type { Cli } from "./cli.ts";
import { remark } from "./errors.ts";
import { timeLeft } from "./progress.ts";

/** Tells how far along a list of things is. */
export interface Counter {
  /** `more`: what else there is to tell of it. */
  update(done: number, total: number, secondsLeft: number, more?: string): void;
  /** A remark, above the bar where there is one. */
  note(line: string): void;
  /** Leaves the terminal as it was found. May be called more than once. */
  end(): void;
}

/** Seconds between two lines where there is no terminal to draw a bar on. */
const LINE_EVERY = 10;

/** A bar on a terminal, else a line now and then; with `quiet` remarks alone. */
export function createCounter(cli: Cli, what: string, { quiet = false } = {}): Counter {
  const { stderr, env } = cli;
  const held: string[] = [];
  let bar: progress.SingleBar | undefined;
  let last = Date.now();
  const onTerminal = stderr.isTTY && env["TERM"] !== "dumb";
  return {
    update(done, total, secondsLeft, more) {
      if (quiet) return;
      const text = [more, done < total ? timeLeft(secondsLeft) : "done"].filter(Boolean).join(", ");
      if (onTerminal) {
        bar ??= start(stderr as NodeJS.WritableStream, what, total);
        bar.update(done, { text });
      } else if (Date.now() - last > 1000 * LINE_EVERY) {
        last = Date.now();
        stderr.write(`${what} ${done}/${total}, ${text}\n`);
      }
    },
    note: (line) => (bar ? void held.push(line) : remark(cli, line)),
    end() {
      bar?.stop();
      bar = undefined;
      for (const line of held.splice(0)) remark(cli, line);
    },
  };
}

function start(stream: NodeJS.WritableStream, what: string, total: number): progress.SingleBar {
  const bar = new progress.SingleBar({
    stream,
    format: `${what} {bar} {value}/{total} · {text}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    gracefulExit: false,
    forceRedraw: true,
    clearOnComplete: true,
  });
  bar.start(total, 0, { text: "" });
  return bar;
}
