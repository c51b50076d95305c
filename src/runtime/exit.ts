import { isOutOfMemory } from "./out-of-memory.ts";

/** Why Node gives up. Frames of its stack follow, which tell a user nothing. */
const FATAL = /^.*(FATAL ERROR|Fatal process|OOM error).*$/m;

/** How the inference process ended, what helps where memory ran out, and the line of `stderr` that says most. */
export function describeExit(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const last = FATAL.exec(stderr)?.[0].trim() ?? stderr.trim().split("\n").at(-1)!.trim();
  const said = last ? ` Its last words: ${last}` : "";
  const hint = isOutOfMemory(how + said) ? " The system may have run out of memory: try a smaller size or model." : "";
  return `The inference process ${how}.${hint}${said}`;
}
