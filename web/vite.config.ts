import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The studio's page as static files; the server sends them, with a policy that forbids inline scripts and styles. */
export default defineConfig({
  root: at("."),
  plugins: [svelte({ configFile: false })],
  build: {
    outDir: at("../dist/studio"),
    emptyOutDir: true,
    target: "es2023",
    // light-dark() stays as it is: every browser that has these has it.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // A file written into the page as data: the policy forbids it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": "http://127.0.0.1:7860", "/v1": "http://127.0.0.1:7860" } },
  logLevel: "warn",
});
