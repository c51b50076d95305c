/** The built command where its files cannot be written. */
import { existsSync, readdirSync, readFileSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { expectOneMessage, quick, run, workingFolder } from "../support/binary.ts";

const work = workingFolder();

describe("places that cannot be written: exit code 1 before anything is drawn", () => {
  it("a file that is there already stays as it is", async () => {
    writeFileSync(work.path("mine.png"), "mine");
    const done = await run([...quick, "-o", "mine.png"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "mine.png", "exists already");
    expect(readFileSync(work.path("mine.png"), "utf8")).toBe("mine");
    expect((await run([...quick, "--quiet", "--overwrite", "-o", "mine.png"], work)).code).toBe(0);
    expect(readFileSync(work.path("mine.png")).length).toBeGreaterThan(1000);
    expect(work.files()).toEqual(["mine.png"]);
  });

  it("a folder that is not there", async () => {
    const done = await run([...quick, "-o", "no/such/house.png"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "no/such", "does not exist");
  });

  it("a folder that is a file", async () => {
    writeFileSync(work.path("file"), "");
    const done = await run([...quick, "-o", "file/house.png"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "file/house.png");
  });

  it("a folder that may not be written", async () => {
    // Nobody makes files there, root neither, be it mounted for writing or not.
    const done = await run([...quick, "-o", "/sys/house.png"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "/sys cannot be written");
    expect(done.stderr).toMatch(/permission denied|read-only disk/);
  });

  it.skipIf(process.platform !== "linux")("a folder that can never be made", async () => {
    const done = await run([...quick, "-o", "/proc/house/"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "/proc/house/ cannot be written");
  });

  it("a disk that has no room for all of them", async ({ skip }) => {
    // At most 10,000 pictures can be asked for, and some disks hold them.
    const [largest, most] = [3 * 2048 * 2048, 10_000];
    const folder = [work.cwd, "/dev/shm"].find((each) => existsSync(each) && freeBytes(each) < largest * most);
    if (!folder) return skip("no disk here is small enough");
    const count = Math.ceil(freeBytes(folder) / largest) + 1;
    const output = join(folder, `inkling-${process.pid}.png`);
    const before = readdirSync(folder);
    const args = [...quick, "--size", "2048", "--count", `${count}`, "-o", output];
    const done = await run(args, work);
    expect(done.code).toBe(1);
    expectOneMessage(done, folder, "Make room");
    expect(readdirSync(folder)).toEqual(before);
  });
});

it("drawing leaves nothing but the picture: no number for this machine, nothing to be sent", async () => {
  const done = await run(quick, work);
  expect(done.code, done.stderr).toBe(0);
  const left = readdirSync(join(work.cwd, ".."), { recursive: true }).map(String);
  expect(left.filter((path) => /onnxruntime|deviceid|DeveloperTools/i.test(path))).toEqual([]);
});

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

describe("places that fail while the picture is drawn: exit code 1, one message, no half file", () => {
  it("a disk that is full by then", async () => {
    const done = await run([...quick, "--quiet", "--format", "png", "-o", "/dev/full"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "/dev/full cannot be written: the disk is full");
    expect(statSync("/dev/full").isCharacterDevice()).toBe(true);
    expect(readdirSync("/dev").filter((name) => name.startsWith(".inkling"))).toEqual([]);
  });

  it("a limit on the length of files", async () => {
    // In blocks of 512 bytes: the probe of the folder passes, the picture does not.
    const within = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh"];
    const done = await run([...quick, "--quiet"], { ...work, within });
    expect(done.code).toBe(1);
    expectOneMessage(done, "inkling-00001-7.png", "larger than is allowed");
    expect(work.files()).toEqual([]);
    const traced = await run(["trace", ...quick, "--quiet"], { ...work, within });
    expect(traced.code).toBe(1);
    expectOneMessage(traced, "inkling-trace.safetensors", "larger than is allowed");
    expect(work.files()).toEqual([]);
  });

  it("a stdout that is full", async () => {
    const within = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];
    const done = await run([...quick, "--quiet", "-o", "-"], { ...work, within });
    expect(done.code).toBe(1);
    expectOneMessage(done, "stdout", "no space left");
  });

  it("a stdout that is full, for a table or a path", async () => {
    for (const args of [["samplers"], [...quick, "--quiet"]]) {
      const done = await run(args, { ...work, within: ["sh", "-c", 'exec "$@" > /dev/full', "sh"] });
      expect(done.code).toBe(1);
      expectOneMessage(done, "stdout", "no space left");
    }
  });

  it("a reader that went away: no word, the shell's code", async () => {
    const within = ["sh", "-c", '{ "$@"; echo "code $?" >&2; } | true', "sh"];
    const done = await run([...quick, "--quiet", "-o", "-"], { ...work, within });
    expect(done.said).toEqual(["code 141"]);
  });
});
