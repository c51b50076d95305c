import { CommanderError } from "commander";
import { InputError } from "../tensor/index.ts";
import { type Cli, Stopped } from "./cli.ts";

/** The command was called wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Runs `work`; an InputError in it, or a number out of range, is the fault of an option, not of a file. */
export async function asUsage<T>(work: () => T | Promise<T>, suffix = ""): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputError || error instanceof RangeError)
      throw new UsageError(error.message + suffix, { cause: error });
    throw error;
  }
}

/**
 * Says what went wrong in one line on stderr and returns the exit code: 2 for wrong usage, 1 for any other failure, 130
 * after Ctrl-C, 143 after SIGTERM, 141 when the reader of a pipe went away. With INKLING_DEBUG set the stack follows.
 */
export function report(error: unknown, cli: Pick<Cli, "signal" | "stderr" | "env">): number {
  // commander has said its own line already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const stopped = cli.signal.aborted ? cli.signal.reason : error;
  if (stopped instanceof Stopped) {
    if (stopped.message) cli.stderr.write(`inkling: ${stopped.message}\n`);
    return stopped.exitCode;
  }
  const expected = error instanceof InputError || error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  const hint = expected || cli.env["INKLING_DEBUG"] ? "" : " (INKLING_DEBUG=1 shows where)";
  remark(cli, message + hint);
  if (cli.env["INKLING_DEBUG"] && error instanceof Error) cli.stderr.write(`${error.stack}\n${causes(error)}`);
  return error instanceof UsageError ? 2 : 1;
}

/** A remark: a line of its own on stderr. */
export function remark({ stderr }: Pick<Cli, "stderr">, line: string): void {
  stderr.write(`inkling: ${oneLine(line)}\n`);
}

/** File names and prompts may hold anything: line breaks and escape sequences must not reach the terminal. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be taken out
  return text.replace(/\s*\n\s*/g, " ").replace(/[\x00-\x1f\x7f-\x9f]/g, "�");
}

function causes(error: Error): string {
  return error.cause instanceof Error ? `caused by ${error.cause.stack}\n${causes(error.cause)}` : "";
}
