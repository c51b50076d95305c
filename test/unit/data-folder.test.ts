import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodePicture } from "../../src/image/index.ts";
import type { Example, Skipped } from "../../src/training/data/dataset.ts";
import { openFolder } from "../../src/training/data/folder.ts";
import { all, told } from "../support/data.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-data-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(name: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), content);
}

const png = (value: number, width = 2): Promise<Uint8Array> =>
  encodePicture({ width, height: 1, data: new Uint8Array(3 * width).fill(value) }, "png");

describe("a folder of pictures with texts beside them", () => {
  it("says what the texts say, and what is wrong with what", async () => {
    await put("a.png", await png(10));
    await put("a.txt", "a red\n  apple \r\n");
    await put("in/b.webp", await encodePicture({ width: 1, height: 1, data: new Uint8Array(3) }, "webp"));
    await put("in/b.caption", "\ufeffa pear");
    await put("c.png", "no picture at all");
    await put("c.txt", "a plum");
    await put("d.png", await png(1));
    await put("e.gif", "GIF89a");
    await put("e.txt", "a fig");
    await put("f.png", await png(2));
    await put("f.txt", Uint8Array.of(0xff, 0xfe, 0x41));
    await put("notes.md", "not for us");
    const dataset = await openFolder(folder);
    const found = await all(dataset);
    expect(found.map(told)).toEqual([
      "a red apple",
      `skipped: ${join(folder, "c.png")} is no picture that is known here; PNG, JPEG and WEBP files can be read.`,
      `skipped: ${join(folder, "d.png")} has no caption.`,
      `skipped: ${join(folder, "e.gif")} is a GIF; PNG, JPEG and WEBP files can be read.`,
      `skipped: ${join(folder, "f.txt")} is not UTF-8. Save it as that.`,
      "a pear",
    ]);
    expect(found.map(({ key }) => key)).toEqual(["a.png", "c.png", "d.png", "e.gif", "f.png", "in/b.webp"]);
    expect([...(found[0] as Example).picture.data]).toEqual(Array(6).fill(10));
    const spare = await all(await openFolder(folder, { caption: "sks cat" }));
    expect(told(spare[2]!)).toBe("sks cat");
  });

  it("counts kohya's folders as often as their names say, but no years", async () => {
    await put("3_sks cat/1.png", await png(1));
    await put("3_sks cat/2.png", await png(2));
    await put("3_sks cat/2.txt", "sks cat on a sofa");
    await put("2024_spain/3.png", await png(3));
    await put("2024_spain/3.txt", "a beach");
    const found = await all(await openFolder(folder));
    expect(found.map(told).sort()).toEqual([
      "a beach",
      ...Array(3).fill("sks cat"),
      ...Array(3).fill("sks cat on a sofa"),
    ]);
  });

  it("is refused where there is nothing", async () => {
    await put("notes.md", "no pictures");
    await expect(openFolder(folder)).rejects.toThrow(`There is no picture in ${folder}`);
    await expect(openFolder(join(folder, "missing"))).rejects.toThrow("there is no such folder");
  });
});

describe("a folder with metadata.jsonl", () => {
  it("says what its lines say, with the rest as attributes, and names bad lines", async () => {
    await put("a.png", await png(1));
    await put("sub/b.png", await png(2));
    const lines = [
      '{"file_name": "a.png", "text": "a cat", "eye": "blue", "box": [1, 2, 3, 4]}',
      "",
      '{"file_name": "sub/b.png", "text": ["one", "two"]}',
      '{"file_name": "a.png"',
      '{"text": "of nothing"}',
      '{"file_name": "../b.png", "text": "outside"}',
      '{"file_name": "gone.png", "text": "gone"}',
      '{"file_name": "a.png", "text": 7}',
      "[1]",
    ];
    await put("metadata.jsonl", lines.join("\n"));
    const dataset = await openFolder(folder);
    const found = await all(dataset);
    expect(found[0]).toMatchObject({ key: "a.png", caption: "a cat", attributes: { eye: "blue", box: [1, 2, 3, 4] } });
    expect(told(found[1]!)).toBe("one");
    expect((await dataset.at(1, { chance: () => 0.7 })) as Example).toMatchObject({ caption: "two" });
    expect(found.slice(2).map(({ key }) => key)).toEqual([
      "metadata.jsonl:4",
      "metadata.jsonl:5",
      "metadata.jsonl:6",
      "gone.png",
      "metadata.jsonl:8",
      "metadata.jsonl:9",
    ]);
    const path = join(folder, "metadata.jsonl");
    expect(found.slice(2).map((each) => (each as Skipped).skipped)).toEqual([
      expect.stringContaining(`${path}, line 4 is no JSON`),
      `${path}, line 5 has no "file_name".`,
      `${path}, line 6: ../b.png lies outside the folder.`,
      expect.stringContaining("there is no such file"),
      `${path}, line 8: a.png: its "text" is neither a text nor a list of texts.`,
      `${path}, line 9 is no JSON object.`,
    ]);
  });

  it("may be a metadata.csv, as spreadsheets write it", async () => {
    await put("a.png", await png(1));
    await put("b.png", await png(2));
    const lines = [
      "\uFEFFfile_name,text,eye",
      'a.png,"a cat, ""asleep""\r\nat home",blue',
      "b.png",
      "",
      "b.png,a dog,",
      ",of nothing,",
    ];
    await put("metadata.csv", lines.join("\r\n"));
    const found = await all(await openFolder(folder));
    expect(found[0]).toMatchObject({ key: "a.png", caption: 'a cat, "asleep" at home', attributes: { eye: "blue" } });
    expect(found[1]).toMatchObject({
      key: "metadata.csv:4",
      skipped: expect.stringContaining("metadata.csv, line 4: "),
    });
    expect(found[2]).toMatchObject({ key: "b.png", caption: "a dog" });
    expect(found[2]).not.toHaveProperty("attributes");
    expect(found[3]).toMatchObject({ skipped: `${join(folder, "metadata.csv")}, line 7 has no "file_name".` });
    expect(found).toHaveLength(4);
  });

  it("may be a metadata.parquet, as pandas writes it", async () => {
    await put("a.png", await png(1));
    await put("b.png", await png(2));
    await put("metadata.parquet", await readFile("test/golden/metadata.parquet"));
    const found = await all(await openFolder(folder));
    expect(found[0]).toMatchObject({ key: "a.png", caption: "a cat", attributes: { age: 7, box: [1, 2, 3, 4] } });
    expect(found[1]).toMatchObject({ key: "b.png", caption: "a dog" });
    expect(found[1]).not.toHaveProperty("attributes");
    await put("metadata.parquet", "PAR1 of nothing");
    await expect(openFolder(folder)).rejects.toThrow("metadata.parquet cannot be read as Parquet");
  });

  it("is one: of two nobody knows which counts; pictures inside of Parquet are not read", async () => {
    await put("data/train-0.parquet", "PAR1");
    await expect(openFolder(folder)).rejects.toThrow(/no picture .*train-0.parquet may hold some/);
    await put("a.png", await png(1));
    await put("metadata.csv", "file_name,text\na.png,a cat");
    await put("metadata.jsonl", '{"file_name": "a.png", "text": "a cat"}');
    await expect(openFolder(folder)).rejects.toThrow("metadata.csv and metadata.jsonl: leave one");
  });

  it("may lie in a folder below, beside its pictures", async () => {
    await put("train/a.png", await png(1));
    await put("train/metadata.jsonl", '{"file_name": "a.png", "text": "a cat"}\n{}');
    await put("b.png", await png(2));
    const found = await all(await openFolder(folder));
    expect(found.map(({ key }) => key)).toEqual(["train/a.png", "train/metadata.jsonl:2"]);
    expect(told(found[0]!)).toBe("a cat");
  });

  it("is identified by what is in its files", async () => {
    await put("a.png", await png(1));
    await put("b.png", await png(1));
    const say = (a: string, b: string) =>
      put("metadata.jsonl", `{"file_name":"a.png","text":"${a}"}\n{"file_name":"b.png","text":"${b}"}`);
    const names = async () => {
      const dataset = await openFolder(folder);
      return Promise.all([dataset.identify(0), dataset.identify(1)]);
    };
    await say("one", "one");
    const [first, second] = await names();
    expect(first).toBe(second);
    await say("one", "two");
    const [same, retold] = await names();
    expect(same).toBe(first);
    expect(retold).not.toBe(first);
    await put("a.png", await png(9));
    expect((await names())[0]).not.toBe(first);
  });
});
