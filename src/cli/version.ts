import { readFileSync } from "node:fs";

/** This package's version, from two levels above both src/cli/ and dist/cli/. */
export function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
