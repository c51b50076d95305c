import type { HttpBindings } from "@hono/node-server";
import type { Logger } from "pino";

/** What a request brings with it to those who answer. */
export interface Env {
  Bindings: Partial<HttpBindings>;
  Variables: {
    /** Who asks: a key's name or an address. */
    client: string;
    log: Logger;
  };
}
