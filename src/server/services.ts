import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Logger } from "pino";
import type { Clip, PromptWriter } from "../pipelines/index.ts";
import type { Access } from "./access/access.ts";
import type { Env } from "./env.ts";
import type { Explainer } from "./explain/explainer.ts";
import type { Jobs } from "./jobs/jobs.ts";
import type { RequestTools } from "./jobs/request.ts";
import type { Kept } from "./kept.ts";
import type { Metrics } from "./metrics.ts";
import type { Models } from "./models.ts";
import type { ServerLimits } from "./schema/options.ts";
import type { FileStore } from "./store/files.ts";
import type { GalleryStore } from "./store/gallery.ts";

/** All that routes work with. */
export interface Services {
  readonly jobs: Jobs;
  readonly gallery: GalleryStore;
  readonly files: {
    readonly pictures: FileStore;
    readonly thumbnails: FileStore;
    readonly uploads: FileStore;
  };
  readonly models: Models;
  readonly writer: Kept<PromptWriter>;
  readonly clip: Kept<Clip>;
  readonly explainer: Kept<Explainer>;
  readonly requests: RequestTools;
  readonly access: Access;
  readonly limits: ServerLimits & {
    /** Streams of events that may be open. */
    readonly watchers: number;
  };
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly version: string;
  /** Whether prompts may stand in the log. */
  readonly logPrompts: boolean;
  /** Files of the page, where it is served. */
  readonly studio?: string;
  /** Seconds between signs of life to those who watch. */
  readonly heartbeat: number;
  readonly now: () => Date;
  /** Whether requests are still answered. */
  readonly ready: () => boolean;
}

export type App = OpenAPIHono<Env>;

/** What a file of `routes/` gives: it adds its noun to the app. */
export type Route = (app: App, services: Services) => void;
