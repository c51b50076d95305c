import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../tensor/index.ts";

export interface RedisServer {
  /** The path of its socket. */
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Becomes the server, and leaves a shell beside it that ends it and removes its folder when standard input closes: when whoever
 * started it says so, or is no more, however that came.
 */
const SCRIPT = `
command -v redis-server >/dev/null || exit 127
exec 3<&0
(read _ <&3; kill -9 $$; rm -rf "$1") &
exec redis-server --port 0 --unixsocket "$1/redis.sock" --dir "$1" --save "" --appendonly no 3<&-
`;

/** Milliseconds that it may take to start. */
const PATIENCE = 10_000;

/**
 * A Redis server of this process's own: it keeps nothing on the disk, listens at a socket in a private folder and at no port, and
 * ends with this process. Ctrl-C in a terminal does not reach it.
 *
 * @throws InputError where no redis-server is installed, or it does not start
 */
export async function startRedisServer(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "inkling-redis-"));
  const address = join(folder, "redis.sock");
  const child = spawn("/bin/sh", ["-c", SCRIPT, "sh", folder], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  let said = "";
  let ended: string | undefined;
  child.stdout.on("data", (text: Buffer) => {
    said = (said + text.toString()).slice(-2000);
  });
  child.stdin.on("error", () => {});
  const exit = new Promise<void>((resolve) => {
    const end = (how: string) => {
      ended ??= how;
      resolve();
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(code === 127 ? "" : `it ended with ${signal ?? `exit code ${code}`}`));
  });
  const close = async (): Promise<void> => {
    child.stdin.end();
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  for (const limit = Date.now() + PATIENCE; ; await sleep(20)) {
    if (ended === undefined && (await answers(address))) return { address, close };
    if (ended === undefined && Date.now() < limit) continue;
    ended ??= "it did not start in time";
    await close();
    throw new InputError(
      ended === "" || process.platform === "win32"
        ? "Several processes need a Redis server, and no redis-server is installed here: install it (apt-get install " +
            "redis-server, brew install redis), or name a server that runs with --redis redis://host:6379."
        : `The Redis server that several processes need failed: ${ended}. ${said.trim().split("\n").at(-1)}`,
    );
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
