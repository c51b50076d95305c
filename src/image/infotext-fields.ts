/**
 * The last line of an infotext: "Steps: 20, Model: \"a, b: c\", …". Values with a comma, a colon or a line break stand in
 * quotes, as JSON writes strings.
 */

/** The value as it stands in the line. */
export function quoteField(value: string): string {
  return /[,:\n\r]|^\s|\s$|^"|^[{[]|^$/.test(value) ? JSON.stringify(value) : value;
}

/**
 * Key → value, quotes taken off, in the line's order; of two with one key the last counts. Every character is looked at
 * a bounded number of times, whatever the line holds.
 */
export function parseFields(line: string): Map<string, string> {
  const fields = new Map<string, string>();
  let brackets = true; // whether a bracketed value may still be looked for: a search that failed reached the end
  for (let at = 0; at < line.length; ) {
    const colon = line.indexOf(":", at);
    if (colon < 0) break;
    // Words without a colon stand for themselves: "Tiling, Seed: 3".
    const key = line.slice(Math.max(at, line.lastIndexOf(",", colon) + 1), colon).trim();
    let start = colon + 1;
    while (line[start] === " ") start++;
    let end = line[start] === '"' ? quotedEnd(line, start) : undefined;
    if (brackets && (line[start] === "{" || line[start] === "[")) {
      end = bracketEnd(line, start);
      brackets = end !== undefined;
    }
    if (end === undefined) {
      const comma = line.indexOf(",", start);
      end = comma < 0 ? line.length : comma;
    }
    if (/^[\p{L}\p{N}_]/u.test(key)) fields.set(key, unquote(line.slice(start, end).trim()));
    at = end + 1;
  }
  return fields;
}

/** Where a quoted value ends, if a comma or the line's end follows it. */
function quotedEnd(line: string, start: number): number | undefined {
  for (let i = start + 1; i < line.length; i++) {
    if (line[i] === "\\") i++;
    else if (line[i] === '"') return endsField(line, i + 1);
  }
  return undefined;
}

/** The same for the bare JSON that some extensions write ("Hashes: {…}"). */
function bracketEnd(line: string, start: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < line.length; i++) {
    const c = line[i];
    if (quoted && c === "\\") i++;
    else if (c === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (c === "{" || c === "[") depth++;
    else if ((c === "}" || c === "]") && --depth === 0) return endsField(line, i + 1);
  }
  return undefined;
}

function endsField(line: string, at: number): number | undefined {
  let end = at;
  while (line[end] === " ") end++;
  return end >= line.length || line[end] === "," ? end : undefined;
}

function unquote(value: string): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value;
  try {
    const text: unknown = JSON.parse(value);
    return typeof text === "string" ? text : value;
  } catch {
    return value;
  }
}
