import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { appendFile, readFile } from "node:fs/promises";
import { InputError } from "../../tensor/index.ts";

/** Who may ask. */
export interface Keys {
  readonly size: number;
  /** The name of the key; undefined where it is none of them. */
  nameOf(key: string): string | undefined;
}

/** Bytes of chance in a key: so many cannot be guessed, and need no slow hash. */
const KEY_BYTES = 32;
const LINE = /^([\w.@-]{1,64}) sha256:([0-9a-f]{64})$/;

/**
 * Makes a key and puts its hash into the file, which is made readable for its owner alone. The key itself is kept nowhere.
 *
 * @param name who it is for; clients take turns by it
 * @throws InputError for a name that is taken or holds anything but letters, digits and ._@-
 */
export async function addKey(file: string, name: string): Promise<string> {
  const key = `ink_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const line = `${name} sha256:${hashOf(key).toString("hex")}`;
  if (!LINE.test(line)) {
    throw new InputError(`"${name}" is no name for a key: take up to 64 letters, digits and . _ @ -`);
  }
  const there = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (linesOf(there, file).some((known) => known.name === name)) {
    throw new InputError(`${file} has a key of the name "${name}" already. Take another name, or delete its line.`);
  }
  await appendFile(file, `${there === "" || there.endsWith("\n") ? "" : "\n"}${line}\n`, { mode: 0o600, flush: true });
  return key;
}

/**
 * The keys of a file: a line each, "NAME sha256:HASH"; lines that begin with # say nothing.
 *
 * @throws InputError naming the line that is none
 */
export async function readKeys(file: string): Promise<Keys> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file; inkling serve --new-key makes one" : error.message;
    throw new InputError(`The keys of ${file} cannot be read: ${why}.`);
  });
  const known = linesOf(text, file);
  return {
    size: known.length,
    nameOf(key) {
      const hash = hashOf(key);
      // Each is looked at, so that the time tells nothing.
      return known.filter((each) => timingSafeEqual(each.hash, hash))[0]?.name;
    },
  };
}

function linesOf(text: string, file: string): { name: string; hash: Buffer }[] {
  return text.split("\n").flatMap((line, i) => {
    if (/^\s*(#|$)/.test(line)) return [];
    const match = LINE.exec(line.trim());
    if (!match) throw new InputError(`${file}, line ${i + 1}: it should say NAME sha256:HASH.`);
    return [{ name: match[1]!, hash: Buffer.from(match[2]!, "hex") }];
  });
}

function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
