/** `inkling studio` as a process: the server, and its page in the browser that the machine has. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { model, type Running, start, workingFolder } from "../support/binary.ts";

const folder = workingFolder();

/** Starts it where the desktop's own opener is one that writes down what it is asked for. */
function open(...more: string[]): Running {
  mkdirSync(folder.path("bin"), { recursive: true });
  writeFileSync(folder.path("bin", "xdg-open"), '#!/bin/sh\nprintf "%s\\n" "$@" >> "$OPENED"\n', { mode: 0o755 });
  const env = { PATH: `${folder.path("bin")}:${process.env["PATH"]}`, OPENED: folder.path("opened") };
  return start(["studio", "--port", "0", "--data", "data", "--model", model, ...more], { cwd: folder.cwd, env });
}

async function stop({ child, finished }: Running): Promise<void> {
  child.kill("SIGTERM");
  expect((await finished).code).toBe(143);
}

it("opens the browser at its page", async () => {
  const running = open();
  const url = await running.find(/^(http:\S+)\n/m);
  while (!existsSync(folder.path("opened"))) await sleep(5);
  const page = await fetch(url);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
  expect(await page.text()).toContain("<title>Inkling</title>");
  await stop(running);
  expect(readFileSync(folder.path("opened"), "utf8")).toBe(`${url}\n`);
});

it("with --no-open opens none, and says where the page is", async () => {
  const running = open("--no-open");
  const url = await running.find(/^(http:\S+)\n/m);
  expect((await fetch(url)).status).toBe(200);
  await stop(running);
  expect(existsSync(folder.path("opened"))).toBe(false);
});

it("where there is no browser says where the page is, and serves it", async () => {
  const args = ["studio", "--port", "0", "--data", "data", "--model", model];
  const running = start(args, { cwd: folder.cwd, env: { PATH: folder.cwd } });
  const url = await running.find(/no browser could be opened; the page is at (\S+)/);
  expect((await fetch(url)).status).toBe(200);
  await stop(running);
});
