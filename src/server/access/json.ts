import { ApiError } from "../error.ts";

/** Objects and lists of a body: requests have a few, and an image is one string. */
const MOST = 10_000;

/**
 * Refuses JSON that would become millions of objects: it is short, and takes seconds to read, in which nobody else is
 * answered. What is no JSON at all is found by whoever reads it.
 *
 * @throws ApiError
 */
export function checkJson(text: string): void {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') at = stringEnd(text, at);
    else if ((char === "[" || char === "{") && ++count > MOST) {
      throw new ApiError("invalid", `The body has more than ${MOST} objects and lists.`);
    }
  }
}

/** Where the string that begins here ends; the text's end where it does not. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
