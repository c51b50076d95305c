/** A real redis-server that keeps what it is told: on a free port, in a folder of its own, and killed and started again at will. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface RedisOnDisk {
  readonly url: string;
  readonly port: number;
  start(): Promise<void>;
  /** SIGKILL: what is not on the disk is gone. */
  kill(): Promise<void>;
  /** Kills it and removes its folder. */
  close(): Promise<void>;
}

/** Every command is on the disk before it is answered; `more` are options after these, which win. */
export async function startRedisOnDisk(...more: string[]): Promise<RedisOnDisk> {
  const folder = mkdtempSync(join(tmpdir(), "inkling-redis-"));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  const args = [...place, "--appendonly", "yes", "--appendfsync", "always", ...more];
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const started = spawn("redis-server", args, { stdio: "ignore" });
    child = started;
    let trouble: Error | undefined;
    started.once("error", (error) => {
      trouble = error;
    });
    for (;;) {
      if (trouble) throw new Error(`The tests of queues need redis-server: ${trouble.message}.`);
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}.`);
      if (await answers(port)) return;
      await sleep(20);
    }
  }
  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child!.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
  await start();
  return {
    url,
    port,
    start,
    kill,
    async close() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether it is there and has read its files; one that wants a password says so. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (answer) => {
      socket.destroy();
      resolve(/^(\+PONG|-NOAUTH)/.test(answer.toString()));
    });
    socket.once("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
