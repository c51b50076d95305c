/** The built command and the weights that it keeps prepared: those of the embedded model, which are worth it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { run, start, workingFolder } from "../support/binary.ts";

const work = workingFolder();
const quick = ["a cat", "--size", "64", "--steps", "1", "--seed", "3", "--device", "cpu", "--quiet"];
const kept = () => join(dirname(work.cwd), ".cache", "inkling", "prepared");
const names = () => (existsSync(kept()) ? readdirSync(kept()) : []);

it("the second picture is the first one, and nothing is prepared twice", async () => {
  const first = await run([...quick, "-o", "a.png"], work);
  expect([first.code, first.said]).toEqual([0, []]);
  const entries = names();
  expect(entries).toHaveLength(3);
  for (const name of ["b.png", "c.png"]) {
    const more = name === "c.png" ? ["--no-prepared"] : [];
    expect((await run([...quick, "-o", name, ...more], work)).code).toBe(0);
    expect(readFileSync(work.path(name))).toEqual(readFileSync(work.path("a.png")));
  }
  expect(names()).toEqual(entries);
  const cleared = await run(["models", "--clear-prepared"], work);
  expect(cleared.stdout).toMatch(/^removed 3 networks, 0\.\d GiB from /);
  expect(names()).toEqual([]);
});

it("--no-prepared leaves nothing", async () => {
  expect((await run([...quick, "-o", "a.png", "--no-prepared"], work)).code).toBe(0);
  expect(existsSync(kept())).toBe(false);
});

it("Ctrl-C in the midst of it leaves nothing half done", async () => {
  const running = start([...quick, "-o", "a.png"], work);
  while (!names().some((name) => name.startsWith(".draft-"))) await sleep(2);
  running.interrupt();
  expect((await running.finished).code).toBe(130);
  expect(names().filter((name) => name.startsWith("."))).toEqual([]);
});
