import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

export interface StaticServer {
  /** "http://127.0.0.1:1234" */
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves each folder under the path of its key ("/fixtures/"), and what `made` holds, on a free port of this machine. */
export async function serve(
  folders: Readonly<Record<string, string>>,
  made: ReadonlyMap<string, Uint8Array>,
): Promise<StaticServer> {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname);
    const bytes = made.get(path);
    const prefix = Object.keys(folders).find((key) => path.startsWith(key));
    if (bytes) {
      response.end(bytes);
      return;
    }
    // Normalised with its leading slash, a path cannot climb out of the folder.
    const file = prefix && join(folders[prefix]!, normalize(`/${path.slice(prefix.length)}`));
    if (!file || !(await stat(file).catch(() => undefined))?.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
