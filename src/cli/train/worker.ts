/**
 * One of the processes that learn together, beside the first, which is the command itself. It says nothing and writes nothing but
 * what is kept of frozen networks; it ends when the first does, or lets go of it.
 */
import { resolve } from "node:path";
import { Writable } from "node:stream";
import { groupOver, openRedisPost, train } from "../../training/index.ts";
import { type Cli, engine } from "../cli.ts";
import { diffusion } from "./diffusion.ts";
import { startLearning } from "./machine.ts";
import type { Wanted } from "./recipe.ts";
import { settingsOf } from "./teach.ts";
import type { Task, Trouble } from "./team.ts";

process.once("message", (task: Task) => {
  work(task).then(
    () => process.exit(),
    (error: unknown) => {
      const trouble: Trouble = { trouble: error instanceof Error ? error.message : String(error) };
      process.send?.(trouble, () => process.exit(1));
    },
  );
});
process.on("disconnect", () => process.exit());
// They reach every process of a group; the first one decides when to stop.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

/** What several processes may learn together: the kinds whose recipes have `processes`. */
const subjects = { diffusion } as const;

async function work({ kind, wanted, machine, place }: Task): Promise<void> {
  const subject = subjects[kind as keyof typeof subjects];
  const prepared = await subject.prepare(wanted as Wanted<typeof subject.kind>, silent(), machine);
  const { runtime } = await startLearning(machine);
  const folder = resolve(wanted.recipe.output);
  const lesson = await prepared.lesson(runtime, folder);
  const post = await openRedisPost(place);
  const group = groupOver(post);
  const every = prepared.samples?.every;
  const samples =
    every === undefined ? undefined : { every, draw: () => Promise.reject(new Error("Not by this one.")) };
  const settings = { ...settingsOf(wanted, prepared, folder), samples, group };
  for await (const _ of train(lesson, prepared.data, runtime, settings));
  await post.close();
}

function silent(): Cli {
  const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() });
  return { stdout: nowhere(), stderr: nowhere(), env: process.env, signal: new AbortController().signal, engine };
}
