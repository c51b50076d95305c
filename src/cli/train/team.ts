import { type ChildProcess, fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { MachineOptions } from "../../pipelines/opening.ts";
import { InputError } from "../../tensor/index.ts";
import {
  type Group,
  groupOver,
  listCheckpoints,
  openRedisPost,
  type RedisPostOptions,
  startRedisServer,
} from "../../training/index.ts";
import type { WantedOfAny } from "./recipe.ts";

/** What a process is told when it starts. */
export interface Task {
  /** The name of the kind that learns. */
  readonly kind: string;
  readonly wanted: WantedOfAny;
  readonly machine: MachineOptions;
  readonly place: Omit<RedisPostOptions, "signal">;
}

/** What it says where it cannot go on. */
export interface Trouble {
  readonly trouble: string;
}

/** Processes that teach one model together, as the first of them has them. */
export interface Team {
  readonly group: Group;
  /** Ends the others, and the server that was started for them. */
  close(): Promise<void>;
}

export interface TeamOptions {
  readonly size: number;
  /** The address of a Redis server. Default: one is started. */
  readonly redis?: string;
  /** Of the model. */
  readonly folder: string;
  readonly task: Omit<Task, "place">;
}

/** Milliseconds that a process has to end before it is made to. */
const PATIENCE = 5000;

/**
 * Starts the other processes of a team. One that ends before it should stops the run: whatever the first waits for from it is
 * refused with a message that names it.
 *
 * @throws InputError where there is no Redis server
 */
export async function startTeam({ size, redis, folder, task }: TeamOptions): Promise<Team> {
  const server = redis === undefined ? await startRedisServer() : undefined;
  const place = { address: redis ?? server!.address, name: randomUUID(), size };
  const broken = new AbortController();
  const children: ChildProcess[] = [];
  let closing = false;

  const lost = async (rank: number, { pid }: ChildProcess, how: string): Promise<void> => {
    if (closing || broken.signal.aborted) return;
    const [latest] = await listCheckpoints(folder);
    const rest = latest
      ? `${latest.path} is its last checkpoint: --resume goes on from there.`
      : "There was no checkpoint yet.";
    broken.abort(new InputError(`Process ${rank + 1} of ${size} (${pid}) ${how}, and the run stopped. ${rest}`));
  };
  const start = (rank: number): void => {
    const child = fork(WORKER, [], {
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    children.push(child);
    let trouble: string | undefined;
    child.on("message", (said: Trouble) => {
      trouble = said.trouble;
    });
    child.once("exit", (code, signal) => {
      if (code === 0) return;
      const how = trouble === undefined ? `ended with ${signal ?? `exit code ${code}`}` : `failed (${trouble})`;
      void lost(rank, child, signal === "SIGKILL" ? "was killed" : how);
    });
    // Where nothing can be sent any more it has ended, which tells more than a closed channel.
    child.send({ ...task, place: { ...place, rank } } satisfies Task, () => {});
  };

  try {
    const post = await openRedisPost({ ...place, rank: 0, signal: broken.signal });
    for (let rank = 1; rank < size; rank++) start(rank);
    return {
      group: groupOver(post),
      async close() {
        closing = true;
        await Promise.all(children.map(end));
        await post.clear();
        await post.close();
        await server?.close();
      },
    };
  } catch (error) {
    await server?.close();
    throw error;
  }
}

/** Lets go of a process, which ends by that. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const exit = once(child, "exit");
  if (child.connected) child.disconnect();
  await exit;
  clearTimeout(timer);
}

const WORKER = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../../dist/cli/train/worker.js" : "./worker.js", import.meta.url),
);
