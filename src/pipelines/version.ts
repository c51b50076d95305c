import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** This package's version, from two levels above both src/pipelines/ and dist/pipelines/. */
export function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The version of an installed package, without loading it. */
export function packageVersion(name: string): string {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const file = join(folder, name, "package.json");
      return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
    } catch {}
  }
  return "not installed";
}
