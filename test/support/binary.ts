/** The built command as a process of its own: what a person at a terminal sees. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect } from "vitest";
import { plainCheckpoint } from "./checkpoints.ts";

export const binary: string = fileURLToPath(new URL("../../dist/cli/index.js", import.meta.url));

export const model: string = plainCheckpoint.folder;
const drawing = ["a small red house", "--model", model, "--sampler", "Euler"];
/** A picture in two seconds. */
export const quick: readonly string[] = [...drawing, "--size", "64", "--steps", "2", "--seed", "7"];
/** One that nobody would wait for. */
export const endless: readonly string[] = [...drawing, "--size", "128", "--steps", "990"];

export interface WorkingFolder {
  /** Its path; the folder above it is the command's home. */
  readonly cwd: string;
  path(...parts: string[]): string;
  /** What lies in it, or in a folder in it. */
  files(...parts: string[]): string[];
}

/** Gives every test of the file a working folder of its own. */
export function workingFolder(): WorkingFolder {
  let cwd = "";
  beforeEach(() => {
    cwd = join(mkdtempSync(join(tmpdir(), "inkling-binary-")), "work");
    mkdirSync(cwd);
  });
  afterEach(() => rmSync(dirname(cwd), { recursive: true, force: true }));
  return {
    get cwd() {
      return cwd;
    },
    path: (...parts) => join(cwd, ...parts),
    files: (...parts) => readdirSync(join(cwd, ...parts)),
  };
}

/** Expects a single line that begins with the command's name and holds `words`; returns it. */
export function expectOneMessage({ said, stdout }: Finished, ...words: string[]): string {
  expect(said, "lines on stderr").toHaveLength(1);
  expect(said[0]).toMatch(/^inkling: /);
  for (const word of words) expect(said[0]).toContain(word);
  expect(said[0]).not.toMatch(/INKLING_DEBUG|undefined|\[object|^\s+at /);
  expect(stdout).toBe("");
  return said[0]!;
}

export interface RunOptions {
  readonly cwd: string;
  /** Words put before the command, to run it inside of something: ["sh", "-c", …, "sh"]. */
  readonly within?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of stderr. */
  readonly said: readonly string[];
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when stdout or stderr holds `text`; throws where the command ends without it. */
  until(text: string): Promise<void>;
  /** As `until`, for a pattern: what its first group holds. */
  find(pattern: RegExp): Promise<string>;
  /** What Ctrl-C in a terminal does: the signal reaches every process of the group. */
  interrupt(): void;
}

/** Starts `inkling ...args` as the leader of a process group, its streams caught. */
export function start(args: readonly string[], { cwd, within = [], env }: RunOptions): Running {
  if (!existsSync(binary)) throw new Error(`${binary} is missing: npm run build makes it.`);
  const [file, ...words] = [...within, process.execPath, binary, ...args];
  const child = spawn(file!, words, {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    // A home without models, so that every machine is the same; and nothing that goes on there when the command is over.
    env: { PATH: process.env.PATH, HOME: dirname(cwd), INKLING_PREPARED: "off", ...env },
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  let [seen, ended] = ["", false];
  child.stdout.on("data", (chunk: Buffer) => {
    out.push(chunk);
    seen += chunk.toString("latin1");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err.push(chunk);
    seen += chunk.toString("latin1");
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      ended = true;
      const bytes = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString();
      const said = stderr.split("\n").filter((line) => line !== "");
      resolve({ code, signal, bytes, stdout: bytes.toString(), stderr, said });
    });
  });
  const find = async <T>(what: string, look: () => T | undefined): Promise<T> => {
    for (;;) {
      // What it said last counts, though it has ended meanwhile.
      const [over, found] = [ended, look()];
      if (found !== undefined) return found;
      if (over) throw new Error(`inkling ended without "${what}". It said:\n${seen}`);
      await sleep(5);
    }
  };
  return {
    child,
    finished,
    interrupt: () => process.kill(-child.pid!, "SIGINT"),
    until: async (text) => void (await find(text, () => seen.includes(text) || undefined)),
    find: (pattern) => find(`${pattern}`, () => pattern.exec(seen)?.[1]),
  };
}

/** Runs `inkling ...args` to its end. */
export function run(args: readonly string[], options: RunOptions): Promise<Finished> {
  return start(args, options).finished;
}

/** The processes that `pid` started and that still run. */
export function childrenOf(pid: number): number[] {
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return all.map(Number).filter((each) => parentOf(each) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    // "pid (name) state ppid …"; the name may hold anything, a bracket too.
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** The inference process of a running command, as soon as there is one. */
export async function inferenceProcess({ child, finished }: Running): Promise<number> {
  let over = false;
  finished.then(() => {
    over = true;
  });
  while (!over) {
    const [host] = childrenOf(child.pid!);
    if (host !== undefined) return host;
    await sleep(2);
  }
  throw new Error(`inkling ended before it started its inference process: ${(await finished).stderr}`);
}

/** Whether `pid` ends within some seconds; one that its parent has not buried yet has ended. */
export async function ends(pid: number, seconds = 5): Promise<boolean> {
  for (const limit = Date.now() + 1000 * seconds; Date.now() < limit; await sleep(20)) {
    try {
      const status = readFileSync(`/proc/${pid}/stat`, "utf8");
      if (status.slice(status.lastIndexOf(")") + 2).startsWith("Z")) return true;
    } catch {
      return true;
    }
  }
  return false;
}
