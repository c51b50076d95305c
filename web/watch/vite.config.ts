import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import studio from "../vite.config.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The page of `inkling train --watch`, as the studio's is built; that command sends it. */
export default defineConfig({
  root: at("."),
  publicDir: at("../public"),
  build: { ...studio.build, outDir: at("../../dist/watch") },
  logLevel: "warn",
});
