import { readFileSync } from "node:fs";

/** This package's version, from two levels above both src/pipelines/ and dist/pipelines/. */
export function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
