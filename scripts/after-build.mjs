// What tsc leaves undone: the launcher must be executable, also where npm did not link it.
import { chmodSync } from "node:fs";

chmodSync(new URL("../dist/cli/index.js", import.meta.url), 0o755);
