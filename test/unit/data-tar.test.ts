import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodePicture, saveBytes } from "../../src/image/index.ts";
import type { Example } from "../../src/training/data/dataset.ts";
import { readContents, readMember, tarOf } from "../../src/training/data/tar.ts";
import { openWebDataset, shardsOf } from "../../src/training/data/web-dataset.ts";
import { all, told } from "../support/data.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-tar-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const png = (value: number): Promise<Uint8Array> =>
  encodePicture({ width: 1, height: 1, data: new Uint8Array(3).fill(value) }, "png");

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A tar by the system's own program. */
async function tar(name: string, files: Files, format = "ustar"): Promise<string> {
  const inside = join(folder, `${name}-files`);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(inside, path)), { recursive: true });
    await writeFile(join(inside, path), content);
  }
  const path = join(folder, name);
  execFileSync("tar", ["-cf", path, `--format=${format}`, "-C", inside, ...Object.keys(files)]);
  return path;
}

describe("the contents of a tar", () => {
  const long = `${"deep/".repeat(30)}${"n".repeat(120)}.txt`;
  it.each(["ustar", "pax", "gnu"])("are found as tar wrote them, in format %s", async (format) => {
    const files: Files = { "a.txt": "one", "b/c.txt": "x".repeat(1300), ...(format !== "ustar" && { [long]: "long" }) };
    const path = await tar("x.tar", files, format);
    const { members, damage } = await readContents(path);
    expect(damage).toBeUndefined();
    const found: Record<string, string> = {};
    for (const member of members) found[member.name] = Buffer.from(await readMember(path, member, 5000)).toString();
    expect(found).toEqual(files);
    await expect(readMember(path, members[1]!, 1299)).rejects.toThrow(`${path}: b/c.txt has 1300 bytes: too many.`);
  });

  it("leave out folders and links", async () => {
    await mkdir(join(folder, "in/sub"), { recursive: true });
    await writeFile(join(folder, "in/sub/a.txt"), "a");
    await symlink("a.txt", join(folder, "in/sub/link.txt"));
    const path = join(folder, "x.tar");
    execFileSync("tar", ["-cf", path, "-C", join(folder, "in"), "sub"]);
    expect((await readContents(path)).members.map(({ name }) => name)).toEqual(["sub/a.txt"]);
  });

  it("end where the tar is damaged or cut off, and that is said", async () => {
    const path = await tar("x.tar", { "a.txt": "a", "b.txt": "b".repeat(600), "c.txt": "c" });
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, 1800));
    const cut = await readContents(path);
    expect(cut.members.map(({ name }) => name)).toEqual(["a.txt"]);
    expect(cut.damage).toBe(`${path} is cut off in b.txt: it was not copied whole.`);
    bytes[1024 + 3] = 1;
    await writeFile(path, bytes);
    expect((await readContents(path)).damage).toBe(`${path} is damaged behind a.txt: what follows is lost.`);
    await writeFile(path, bytes.subarray(0, 1024));
    expect((await readContents(path)).damage).toBe(`${path} has no end: it was not copied whole.`);
  });

  it("are refused of what is no tar", async () => {
    const path = join(folder, "x.tar");
    await expect(readContents(path)).rejects.toThrow(`${path} cannot be read: there is no such file.`);
    await writeFile(path, "no tar ".repeat(200));
    await expect(readContents(path)).rejects.toThrow(`${path} is no tar.`);
    await writeFile(path, Uint8Array.of(0x1f, 0x8b, 8, ...new Uint8Array(600)));
    await expect(readContents(path)).rejects.toThrow(`${path} is compressed: unpack it`);
  });

  it("are what was put into one", async () => {
    const files: Files = { "a.txt": "one", "b/c.txt": "x".repeat(512), "empty.txt": "" };
    async function* each() {
      for (const [name, text] of Object.entries(files)) yield { name, bytes: new TextEncoder().encode(text as string) };
    }
    const path = join(folder, "ours.tar");
    await saveBytes(path, tarOf(each()));
    const listed = execFileSync("tar", ["-tf", path], { encoding: "utf8" }).trim().split("\n");
    expect(listed).toEqual(Object.keys(files));
    expect(execFileSync("tar", ["-xOf", path, "b/c.txt"], { encoding: "utf8" })).toBe(files["b/c.txt"]);
    expect((await readContents(path)).members.map(({ name, size }) => [name, size])).toEqual([
      ["a.txt", 3],
      ["b/c.txt", 512],
      ["empty.txt", 0],
    ]);
  });
});

describe("a WebDataset", () => {
  it("tells what its files of one name tell", async () => {
    const path = await tar("x.tar", {
      "0.png": await png(1),
      "0.txt": "a cat\n",
      "0.json": '{"caption": "not this", "eye": "blue"}',
      "d/1.png": await png(2),
      "d/1.json": '{"caption": "a dog"}',
      "2.PNG": await png(3),
      "2.cls": "heron",
      "3.png": await png(4),
      "3.cls": "17",
      "4.txt": "words alone",
      "5.png": "broken",
      "5.txt": "a plum",
      "6.png": await png(5),
      "6.json": "{",
    });
    const found = await all(await openWebDataset(path));
    expect(found.map(({ key }) => key)).toEqual(["0", "d/1", "2", "3", "4", "5", "6"]);
    expect(found.map(told)).toEqual([
      "a cat",
      "a dog",
      "heron",
      `skipped: ${path}: 3 has no caption.`,
      `skipped: ${path}: 4 has no picture, only txt.`,
      expect.stringContaining(`skipped: ${path}: 5.png is no picture`),
      expect.stringContaining(`skipped: ${path}: 6.json is no JSON`),
    ]);
    expect(found[0]).toMatchObject({ attributes: { eye: "blue" }, picture: { width: 1, height: 1 } });
    expect([...(found[0] as Example).picture.data]).toEqual([1, 1, 1]);
    const spare = await openWebDataset(path, { caption: "a thing" });
    expect(await spare.at(3)).toMatchObject({ caption: "a thing", attributes: { cls: 17 } });
    expect(await spare.identify(3)).not.toBe(await spare.identify(2));
  });

  it("goes over its shards, and names those that are missing", async () => {
    await tar("s-08.tar", { "0.png": await png(1), "0.txt": "eight" });
    await tar("s-10.tar", { "0.png": await png(2), "0.txt": "ten" });
    const found = await all(await openWebDataset(join(folder, "s-{08..10}.tar")));
    expect(found.map(told)).toEqual([
      "eight",
      `skipped: ${join(folder, "s-09.tar")} cannot be read: there is no such file.`,
      "ten",
    ]);
    expect(found.map(({ key }) => key)).toEqual(["s-08.tar:0", "s-09.tar", "s-10.tar:0"]);
    await expect(openWebDataset(join(folder, "t-{0..2}.tar"))).rejects.toThrow("there is no such file");
    const empty = await tar("none.tar", { "a.md": "nothing" });
    await expect(openWebDataset(empty)).rejects.toThrow(`There is no picture in ${empty}.`);
  });

  it("knows the braces of its patterns", () => {
    expect(shardsOf("a.tar")).toEqual(["a.tar"]);
    expect(shardsOf("a-{8..11}.tar")).toEqual(["a-8.tar", "a-9.tar", "a-10.tar", "a-11.tar"]);
    expect(shardsOf("{0..1}/{00..01}")).toEqual(["0/00", "1/00", "0/01", "1/01"]);
    expect(() => shardsOf("a-{9..1}.tar")).toThrow("{9..1} in a-{9..1}.tar names no tars");
  });
});
