import { execFileSync } from "node:child_process";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkFolder, checkSave, makeFolder, nameOfMany, nextName, saveBytes } from "../../src/image/index.ts";
import { InputError } from "../../src/tensor/index.ts";

const bytes = new Uint8Array(100_000).fill(7);
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-save-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function expectRefused(work: Promise<unknown>, ...words: string[]): Promise<void> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(InputError);
  for (const word of words) expect((error as Error).message).toContain(word);
  expect((error as Error).message).not.toContain("\n");
}

describe("saveBytes", () => {
  it("writes a file and leaves nothing else", async () => {
    await saveBytes(join(folder, "a.png"), bytes);
    expect(await readdir(folder)).toEqual(["a.png"]);
    expect(Uint8Array.from(await readFile(join(folder, "a.png")))).toEqual(bytes);
  });

  it("never overwrites unless told", async () => {
    const path = join(folder, "a.png");
    await writeFile(path, "mine");
    await expectRefused(saveBytes(path, bytes), path, "exists already");
    expect(await readFile(path, "utf8")).toBe("mine");
    await saveBytes(path, bytes, { overwrite: true });
    expect((await readFile(path)).length).toBe(bytes.length);
    expect(await readdir(folder)).toEqual(["a.png"]);
  });

  it("lets exactly one of many at once have a name", async () => {
    const path = join(folder, "a.png");
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => saveBytes(path, bytes)));
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await readdir(folder)).toEqual(["a.png"]);
  });

  it("takes pieces one after another, and an exit between two of them leaves nothing", async () => {
    const path = join(folder, "a.bin");
    const before = process.listeners("exit");
    async function* pieces() {
      yield bytes;
      expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.inkling-[0-9a-f]{16}\.tmp$/)]);
      yield bytes;
    }
    await saveBytes(path, pieces());
    expect((await readFile(path)).length).toBe(2 * bytes.length);

    async function* leaving() {
      yield bytes;
      // What process.exit() would call: it does not wait for promises.
      for (const clean of process.listeners("exit").filter((each) => !before.includes(each))) clean(130);
      expect(await readdir(folder)).toEqual(["a.bin"]);
    }
    await expectRefused(saveBytes(join(folder, "b.bin"), leaving()), "b.bin");
    expect(await readdir(folder)).toEqual(["a.bin"]);
    expect(process.listeners("exit")).toEqual(before);
  });

  it("writes through a symbolic link", async () => {
    await writeFile(join(folder, "real.png"), "old");
    await symlink("real.png", join(folder, "link.png"));
    await saveBytes(join(folder, "link.png"), bytes, { overwrite: true });
    expect((await lstat(join(folder, "link.png"))).isSymbolicLink()).toBe(true);
    expect((await readFile(join(folder, "real.png"))).length).toBe(bytes.length);
  });

  it("names the path when the folder is missing, a file, or itself the name", async () => {
    const missing = join(folder, "no", "a.png");
    await expectRefused(saveBytes(missing, bytes), missing, "does not exist");
    await writeFile(join(folder, "file"), "");
    await expectRefused(saveBytes(join(folder, "file", "a.png"), bytes), "not a folder");
    await expectRefused(saveBytes(folder, bytes), folder, "is a folder");
    await expectRefused(saveBytes(join(folder, `${"n".repeat(300)}.png`), bytes), "too long");
  });

  it("writes to devices and leaves them what they are", async () => {
    await saveBytes("/dev/null", bytes, { overwrite: true });
    expect((await lstat("/dev/null")).isCharacterDevice()).toBe(true);
    await expectRefused(saveBytes("/dev/full", bytes), "/dev/full", "disk is full");
    expect((await lstat("/dev/full")).isCharacterDevice()).toBe(true);
  });
});

describe("a missing folder", () => {
  it("is made with those above it, also twice at once", async () => {
    const deep = join(folder, "a", "b", "c");
    await Promise.all([makeFolder(deep), makeFolder(`${deep}/`)]);
    await makeFolder(deep);
    expect((await lstat(deep)).isDirectory()).toBe(true);
  });

  it("is refused where a file has its name or stands in the way", async () => {
    const file = join(folder, "file");
    await saveBytes(file, bytes);
    await expectRefused(makeFolder(file), file, "exists already");
    await expectRefused(makeFolder(join(file, "b")), file, "is a file, not a folder");
  });
});

describe("an unwritable folder", () => {
  it("is told before and while writing", async () => {
    const closed = join(folder, "closed");
    await mkdir(closed, { mode: 0o555 });
    await chmod(folder, 0o755);
    await asAnybody(async () => {
      await expectRefused(checkSave(join(closed, "a.png"), 10), closed, "permission denied");
      await expectRefused(saveBytes(join(closed, "a.png"), bytes), closed, "permission denied");
      await expectRefused(makeFolder(join(closed, "b")), closed, "permission denied");
    });
    expect(await readdir(closed)).toEqual([]);
  });
});

/** Permissions do not bind root, so root becomes nobody for a while. */
async function asAnybody(work: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid!(65534);
  try {
    await work();
  } finally {
    process.seteuid!(0);
  }
}

describe("a full disk", () => {
  it("is told, and nothing is left on it", async () => {
    const path = join(folder, "disk", "a.png");
    await mkdir(join(folder, "disk"));
    await onFullDisk(join(folder, "disk"), async (limited) => {
      if (!limited) await expectRefused(checkSave(path, bytes.length), "disk", "full");
      await expectRefused(saveBytes(path, bytes), path, limited ? "larger than is allowed" : "the disk is full");
      expect(await readdir(join(folder, "disk"))).toEqual([]);
      await saveBytes(path, bytes.subarray(0, 1000));
    });
  });
});

/** A disk of 64 kB where the machine lets us mount one, else a limit on the length of files. */
async function onFullDisk(at: string, work: (limited: boolean) => Promise<void>): Promise<void> {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", at], { stdio: "ignore" });
  } catch {
    const limit = (bytes: string) => execFileSync("prlimit", ["--pid", String(process.pid), `--fsize=${bytes}`]);
    const ignore = (): void => {};
    process.on("SIGXFSZ", ignore);
    limit("50000:");
    try {
      return await work(true);
    } finally {
      limit("unlimited:");
      process.off("SIGXFSZ", ignore);
    }
  }
  try {
    await work(false);
  } finally {
    execFileSync("umount", [at]);
  }
}

describe("before drawing", () => {
  it("a name that is taken, a folder that is missing and one that is none are told", async () => {
    await writeFile(join(folder, "a.png"), "");
    await expectRefused(checkSave(join(folder, "a.png"), 10), "exists already");
    await checkSave(join(folder, "a.png"), 10, { overwrite: true });
    await checkSave(join(folder, "b.png"), 10);
    await checkSave("/dev/null", 10);
    await expectRefused(checkSave(folder, 10), "is a folder");
    await expectRefused(checkSave(join(folder, "no", "a.png"), 10), "does not exist");
    await expectRefused(checkFolder(join(folder, "a.png"), 10), "not a folder");
    await expectRefused(checkFolder(folder, 2 ** 60), "full");
  });
});

describe("names", () => {
  it("go on from the highest number", async () => {
    expect(await nextName(folder, 42, ".png")).toBe(join(folder, "inkling-00001-42.png"));
    for (const name of ["inkling-00007-1.jpg", "inkling-00003-99999.png", "inkling-x-1.png", "other-00050-1.png"]) {
      await writeFile(join(folder, name), "");
    }
    expect(await nextName(folder, 42, ".webp")).toBe(join(folder, "inkling-00008-42.webp"));
  });

  it("of many pictures are numbered before the extension", () => {
    expect([0, 1].map((i) => nameOfMany("a/b.c.png", i, 2))).toEqual(["a/b.c-1.png", "a/b.c-2.png"]);
    expect(nameOfMany("a.png", 0, 1)).toBe("a.png");
  });
});
