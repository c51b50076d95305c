/** The built command, stopped on its way. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { endless, ends, inferenceProcess, start, workingFolder } from "../support/binary.ts";

const work = workingFolder();

describe("interrupted: exit code 130, one message, no file and no process left", () => {
  it("during a step", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], work);
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.interrupt();
    const asked = performance.now();
    const done = await running.finished;
    expect(performance.now() - asked).toBeLessThan(3000);
    expect(done.code).toBe(130);
    expect(done.said).toEqual(["inkling: interrupted"]);
    expect(work.files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  // The inference process starts, reads the library, then builds one network after another.
  it.each([0, 100, 250, 500, 900])("%i ms into the load", async (ms) => {
    const running = start([...endless, "--quiet", "-o", "pictures/"], work);
    const host = await inferenceProcess(running);
    await sleep(ms);
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(done.said).toEqual(["inkling: interrupted"]);
    expect(work.files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it("by a second Ctrl-C at once", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], work);
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.interrupt();
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(work.files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it.each([
    ["SIGTERM", 143, ["inkling: terminated"]],
    ["SIGHUP", 129, []],
  ] as const)("by %s: %i", async (signal, code, said) => {
    const running = start([...endless, "--json", "-o", "pictures/"], work);
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.child.kill(signal);
    const done = await running.finished;
    expect(done.code).toBe(code);
    expect(done.said).toEqual(said);
    expect(work.files("pictures")).toEqual([]);
    expect(await ends(host)).toBe(true);
  });

  it("by SIGKILL: the inference process ends by itself", async () => {
    const running = start([...endless, "--json", "-o", "pictures/"], work);
    await running.until('"type":"step"');
    const host = await inferenceProcess(running);
    running.child.kill("SIGKILL");
    await running.finished;
    expect(await ends(host)).toBe(true);
    expect(work.files("pictures")).toEqual([]);
  });

  it("during a trace", async () => {
    const running = start(["trace", ...endless, "-o", "t.safetensors"], work);
    await running.until("step 1/");
    running.interrupt();
    const done = await running.finished;
    expect(done.code).toBe(130);
    expect(done.said.filter((line) => line.startsWith("inkling: "))).toEqual(["inkling: interrupted"]);
    expect(work.files()).toEqual([]);
  });
});

it("says so when the inference process is killed, as a system short of memory does", async () => {
  const running = start([...endless, "--json", "-o", "pictures/"], work);
  await running.until('"type":"step"');
  process.kill(await inferenceProcess(running), "SIGKILL");
  const done = await running.finished;
  expect(done.code).toBe(1);
  expect(done.said).toHaveLength(1);
  expect(done.said[0]).toMatch(/^inkling: .*SIGKILL.*memory/);
  expect(work.files("pictures")).toEqual([]);
});
