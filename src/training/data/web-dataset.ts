import { basename } from "node:path";
import { InputError } from "../../tensor/index.ts";
import type { Attributes, Dataset, Skipped } from "./dataset.ts";
import { captionOf, type Description, describedIn, objectOf, pictureFile } from "./description.ts";
import type { FilesOptions } from "./folder.ts";
import { datasetOf, type Source } from "./sources.ts";
import { type Contents, type Member, readContents, readMember } from "./tar.ts";

/** The longest picture and the longest text that are read, in bytes. */
const MAX_PICTURE = 2 ** 28;
const MAX_TEXT = 2 ** 20;
/** Files that say something of a picture. */
const TEXTS = new Set(["txt", "json", "cls"]);
/** The most shards that a pattern may stand for. */
const MAX_SHARDS = 100_000;

/**
 * A WebDataset: tars in which the files of one example have the same name up to the first dot, `0001.jpg`, `0001.txt`,
 * `0001.json`, `0001.cls`. The caption is the text's, or the JSON's, whose other entries are attributes; a class is one
 * too, and where nothing else is said and it is a word, it is the caption. Several tars: `shard-{000..010}.tar`.
 *
 * @throws InputError when there is no picture in any of them
 */
export async function openWebDataset(
  pattern: string,
  { caption, signal }: FilesOptions & { readonly signal?: AbortSignal } = {},
): Promise<Dataset> {
  const shards = shardsOf(pattern);
  const sources: (Source | Skipped)[] = [];
  for (const shard of shards) {
    const prefix = shards.length > 1 ? `${basename(shard)}:` : "";
    try {
      const { members, damage } = await readContents(shard, signal);
      sources.push(...examplesOf(shard, members, prefix, caption));
      if (damage) sources.push({ key: basename(shard), skipped: damage });
    } catch (error) {
      if (!(error instanceof InputError) || shards.length === 1) throw error;
      sources.push({ key: basename(shard), skipped: error.message });
    }
  }
  const first = sources.find((source): source is Skipped => "skipped" in source);
  if (sources.some((source) => !("skipped" in source))) return datasetOf(pattern, sources);
  throw new InputError(first?.skipped ?? `There is no picture in ${pattern}.`);
}

/** `a-{00..02}.tar` as a-00.tar, a-01.tar, a-02.tar; with several braces, every combination. */
export function shardsOf(pattern: string): string[] {
  const [, before, from, to, after] = /^(.*?)\{(\d+)\.\.(\d+)\}(.*)$/s.exec(pattern) ?? [];
  if (before === undefined) return [pattern];
  const [first, last] = [Number(from), Number(to)];
  if (last < first || last - first >= MAX_SHARDS) {
    throw new InputError(`{${from}..${to}} in ${pattern} names no tars that can be gone through.`);
  }
  return shardsOf(after!).flatMap((rest) =>
    Array.from({ length: last - first + 1 }, (_, i) => {
      const number = String(first + i);
      return before + (from!.length === to!.length ? number.padStart(from!.length, "0") : number) + rest;
    }),
  );
}

function examplesOf(
  shard: string,
  members: Contents["members"],
  prefix: string,
  caption: string | undefined,
): (Source | Skipped)[] {
  const examples = new Map<string, Map<string, Member>>();
  for (const member of members) {
    const [, key, kind] = /^((?:.*\/)?[^./][^./]*)\.([^/]+)$/.exec(member.name) ?? [];
    if (key === undefined || !(pictureFile.test(member.name) || TEXTS.has(kind!.toLowerCase()))) continue;
    const files = examples.get(key) ?? new Map<string, Member>();
    examples.set(key, files.set(kind!.toLowerCase(), member));
  }
  return [...examples].map(([key, files]): Source | Skipped => {
    const picture = [...files.values()].find(({ name }) => pictureFile.test(name));
    const where = `${shard}: ${key}`;
    if (!picture)
      return { key: prefix + key, skipped: `${where} has no picture, only ${[...files.keys()].join(", ")}.` };
    return {
      key: prefix + key,
      name: `${shard}: ${picture.name}`,
      bytes: () => readMember(shard, picture, MAX_PICTURE),
      described: () => described(shard, files, where, caption),
    };
  });
}

async function described(
  shard: string,
  files: ReadonlyMap<string, Member>,
  where: string,
  caption: string | undefined,
): Promise<Description> {
  const read = async (kind: string): Promise<string | undefined> => {
    const member = files.get(kind);
    return member && captionOf(await readMember(shard, member, MAX_TEXT), `${shard}: ${member.name}`);
  };
  const [text, json, cls] = [await read("txt"), await read("json"), await read("cls")];
  const object: Attributes = json === undefined ? {} : objectOf(json, `${where}.json`);
  const number = cls !== undefined && /^\d+$/.test(cls);
  const known = { ...object, ...(text && { text }), ...(cls && { cls: number ? Number(cls) : cls }) };
  return describedIn(known, where, number ? caption : (cls ?? caption));
}
