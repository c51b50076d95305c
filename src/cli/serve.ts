import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeFolder } from "../image/save.ts";
import { isLoopback } from "../server/access/host.ts";
import { type PicturePlace, picturePlace } from "../server/store/picture-place.ts";
import { type Cli, write } from "./cli.ts";
import { remark, UsageError } from "./errors.ts";
import { servingOf, untilStopped } from "./serving.ts";
import type { ServingOptions } from "./serving-options.ts";

/** The page as it was built, beside this file's folder in dist/. */
const STUDIO = fileURLToPath(new URL("../studio/", import.meta.url));

/**
 * Runs the server until the signal fires.
 *
 * @param open whether to show its page in the browser
 * @throws UsageError for options that make no sense; InputError where the port, the folder, a model or the keys cannot be had
 */
export async function serve(options: ServingOptions, cli: Cli, { open = false } = {}): Promise<void> {
  const { host = "127.0.0.1", newKey } = options;
  const data = options.data ?? dataFolder(cli.env);
  const usualKeys = join(data, "keys.txt");
  if (newKey !== undefined) return makeKey(newKey, options.apiKeyFile ?? usualKeys, data, cli);
  const pictures = placeOf(options, cli.env);
  const serving = await servingOf(options, cli);
  const { startServer } = await import("../server/index.ts");
  const keyFile = options.apiKeyFile ?? (!isLoopback(host) && existsSync(usualKeys) ? usualKeys : undefined);
  cli.signal.throwIfAborted();
  const server = await startServer({
    ...serving,
    host,
    port: options.port,
    data,
    pictures,
    keyFile,
    withoutKeys: options.withoutKeys,
    allowHosts: options.allowHost,
    allowOrigins: options.allowOrigin,
    requestsPerSecond: options.rateLimit,
    keepJobs: options.keepJobs,
    queue: { jobs: options.queueLimit, perClient: options.queueLimitPerClient },
    logPrompts: options.logPrompts,
    studio: STUDIO,
  });
  if (open) openBrowser(server.url, cli);
  await untilStopped(server, server.url, cli);
}

/** @throws UsageError for an address of nothing; InputError for no place */
function placeOf({ pictures, s3Endpoint }: ServingOptions, env: Cli["env"]): PicturePlace | undefined {
  if (s3Endpoint !== undefined && !pictures?.startsWith("s3:")) {
    throw new UsageError("--s3-endpoint is for --pictures s3://bucket/prefix");
  }
  return pictures === undefined ? undefined : picturePlace(pictures, env, s3Endpoint);
}

async function makeKey(name: string, file: string, data: string, cli: Cli): Promise<void> {
  await makeFolder(data);
  const { addKey } = await import("../server/access/keys.ts");
  const key = await addKey(file, name);
  remark(cli, `the key of ${name}; it is kept nowhere, ${file} has its hash alone:`);
  await write(cli.stdout, `${key}\n`);
}

/** Where the user's programs keep what must not be lost. */
function dataFolder(env: Cli["env"]): string {
  const { XDG_DATA_HOME: data, HOME: home, LOCALAPPDATA: local } = env;
  const base = data ?? (home ? join(home, ".local", "share") : local);
  if (base) return join(base, "inkling");
  throw new UsageError("there is no home folder to keep pictures in: name a folder with --data");
}

/** Where none opens, the address has been printed. */
function openBrowser(url: string, cli: Cli): void {
  const [command, ...args] = { darwin: ["open"], win32: ["cmd", "/c", "start", ""] }[process.platform as string] ?? [
    "xdg-open",
  ];
  const browser = spawn(command!, [...args, url], { stdio: "ignore", detached: true });
  browser.once("error", () => remark(cli, `no browser could be opened; the page is at ${url}`));
  browser.unref();
}
