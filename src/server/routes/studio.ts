import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, relative } from "node:path";
import type { Route } from "../services.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/** Its own scripts and styles and nothing else; pictures also from data (previews) and from what was dropped in. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** The page, where it was built. Only files that are there at the start are served: no path leads to another. */
export const studio: Route = (app, { studio: folder }) => {
  if (folder === undefined || !existsSync(join(folder, "index.html"))) return;
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const files = new Map(names.map((path) => [`/${relative(folder, path).replaceAll("\\", "/")}`, path]));

  app.get("/*", (c, next) => {
    const { path } = c.req;
    // A page of the studio has a path of its own, which is no file's.
    const isPage = !/^\/(api|v1|sdapi)\//.test(path) && extname(path) === "";
    const found = files.has(path) ? path : isPage ? "/index.html" : undefined;
    if (found === undefined) return next();
    const file = files.get(found)!;
    // The build gives what lies there a new name whenever it changes.
    const forever = found.startsWith("/assets/");
    return c.body(readFileSync(file), 200, {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
      "Cache-Control": forever ? "public, max-age=31536000, immutable" : "no-cache",
      "Content-Security-Policy": POLICY,
    });
  });
};
