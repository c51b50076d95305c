// What tsc leaves undone.
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

// The launcher must be executable, also where npm did not link it.
chmodSync(at("dist/cli/index.js"), 0o755);

// What was built from sources that are gone would still be imported, and packed.
for (const path of readdirSync(at("dist"), { recursive: true })) {
  // The page's own build empties its folder.
  if (path.startsWith("studio")) continue;
  const source = /^(.*?)(\.d\.ts|\.js)$/.exec(path)?.[1];
  if (source && !existsSync(at(`src/${source}.ts`))) rmSync(at(`dist/${path}`));
}
