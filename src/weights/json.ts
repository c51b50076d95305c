import { InputError } from "../tensor/index.ts";

/** No configuration or header nests deeper; beyond it a file is damaged or hostile. */
const MAX_DEPTH = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * UTF-8 JSON that came from outside, whose outermost value must be an object. `__proto__` and its like stay plain own
 * keys, as JSON.parse makes them.
 *
 * @param file for messages: the file's path, or a part of it ("the header of …")
 * @param uniqueKeys refuse an object that holds the same key twice; JSON.parse silently takes the last one
 * @param constants accept Infinity, -Infinity and NaN, which Python writes, NaN as null
 * @throws InputError naming the file: not UTF-8, not JSON, nested too deep, no object, a key twice
 */
export function parseJson(bytes: Uint8Array, file: string, { uniqueKeys = false, constants = false } = {}): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${file} is not UTF-8 text. The file is damaged: get it again.`);
  }
  if (text.charCodeAt(0) === 0xfeff) {
    throw new InputError(`${file} begins with a byte-order mark, which JSON forbids. Save it as UTF-8 without one.`);
  }
  checkNesting(text, file, uniqueKeys);
  let value: unknown;
  try {
    value = JSON.parse(constants ? spellConstants(text) : text);
  } catch (error) {
    throw new InputError(`${file} is not valid JSON: ${(error as Error).message}. The file is damaged: get it again.`);
  }
  if (!isObject(value)) throw new InputError(`${file} should hold a JSON object, but holds ${describe(value)}.`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
}

/** One pass over the text before JSON.parse builds anything from it. Broken JSON is left to JSON.parse to report. */
function checkNesting(text: string, file: string, uniqueKeys: boolean): void {
  const keys: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    // Codes instead of letters: a vocabulary has a million of them.
    switch (text.charCodeAt(i)) {
      case OPEN_BRACE:
      case OPEN_BRACKET:
        keys.push(new Set());
        if (keys.length > MAX_DEPTH) {
          throw new InputError(
            `${file} is JSON nested more than ${MAX_DEPTH} deep, as no model's file is. Get it again.`,
          );
        }
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        keys.pop();
        break;
      case QUOTE: {
        const start = i;
        i = endOfString(text, start);
        if (!uniqueKeys || !isKey(text, i + 1)) break;
        const key = text.slice(start, i + 1);
        const name = key.includes("\\") ? spellPlainly(key) : key;
        if (keys.at(-1)?.has(name)) {
          throw new InputError(`${file} holds the name ${key} twice. The file is damaged: get it again.`);
        }
        keys.at(-1)?.add(name);
      }
    }
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Where the string that begins at `start` has its closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) break;
    if (code === BACKSLASH) i++;
  }
  return i;
}

/** Python's constants, outside of strings, as what JSON.parse reads as the same number. */
function spellConstants(text: string): string {
  if (!/Infinity|NaN/.test(text)) return text;
  const outside = (part: string) => part.replace(/\bInfinity\b/g, "1e999").replace(/\bNaN\b/g, "null");
  let [out, from] = ["", 0];
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== QUOTE) continue;
    const end = endOfString(text, i) + 1;
    out += outside(text.slice(from, i)) + text.slice(i, end);
    [i, from] = [end - 1, end];
  }
  return out + outside(text.slice(from));
}

function isKey(text: string, after: number): boolean {
  let i = after;
  while (i < text.length && " \t\r\n".includes(text[i]!)) i++;
  return text[i] === ":";
}

/** The same key may be spelt with and without escapes. */
function spellPlainly(key: string): string {
  try {
    return JSON.stringify(JSON.parse(key));
  } catch {
    return key;
  }
}
