/** The built command and the weights that it keeps prepared: those of the embedded model, which are worth it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { ends, inferenceProcess, run, start, workingFolder } from "../support/binary.ts";

const folder = workingFolder();
/** Prepared weights in the command's home, as a person has them. */
const work = {
  ...folder,
  get cwd() {
    return folder.cwd;
  },
  env: { INKLING_PREPARED: "" },
};
const quick = ["a cat", "--size", "64", "--steps", "1", "--seed", "3", "--device", "cpu", "--quiet"];
const kept = () => join(dirname(work.cwd), ".cache", "inkling", "prepared");
const names = () => (existsSync(kept()) ? readdirSync(kept()) : []);
/** Weights are prepared when the picture is there and the command over. */
async function settled(networks: number): Promise<void> {
  const done = () => names().filter((name) => existsSync(join(kept(), name, "flushed")));
  while (done().length < networks || names().some((name) => name.startsWith("."))) await sleep(20);
}

it("the second picture is the first one, and nothing is prepared twice", async () => {
  const first = await run([...quick, "-o", "a.png"], work);
  expect([first.code, first.said]).toEqual([0, []]);
  await settled(3);
  const entries = names();
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

it("Ctrl-C leaves nothing", async () => {
  const running = start(
    [...quick, "--steps", "990", "-o", "a.png", "--json"].filter((each) => each !== "--quiet"),
    work,
  );
  await running.until('"type":"step"');
  const host = await inferenceProcess(running);
  running.interrupt();
  expect((await running.finished).code).toBe(130);
  expect(await ends(host)).toBe(true);
  expect(existsSync(kept())).toBe(false);
});
