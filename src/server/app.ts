import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { routePath } from "hono/route";
import { secureHeaders } from "hono/secure-headers";
import type { z } from "zod";
import { clientGuard, originGuard } from "./access/access.ts";
import { checkJson } from "./access/json.ts";
import type { Env } from "./env.ts";
import { ApiError, apiError } from "./error.ts";
import { shapeProblem } from "./problem-shape.ts";
import { a1111Draw } from "./routes/a1111-draw.ts";
import { a1111Lists } from "./routes/a1111-lists.ts";
import { explain } from "./routes/explain.ts";
import { explainRun } from "./routes/explain-run.ts";
import { settingsOfPicture } from "./routes/from-picture.ts";
import { gallery } from "./routes/gallery.ts";
import { health } from "./routes/health.ts";
import { jobEvents } from "./routes/job-events.ts";
import { jobs } from "./routes/jobs.ts";
import { openAiImages } from "./routes/openai-images.ts";
import { openAiModels } from "./routes/openai-models.ts";
import { choices } from "./routes/options.ts";
import { pictures } from "./routes/pictures.ts";
import { score } from "./routes/score.ts";
import { sessions } from "./routes/session.ts";
import { studio } from "./routes/studio.ts";
import { promptTokens } from "./routes/tokens.ts";
import { write } from "./routes/write.ts";
import type { App, Route, Services } from "./services.ts";

/** Every noun that the server knows; the page last, since it takes what the others leave. */
const ROUTES: readonly Route[] = [
  sessions,
  jobs,
  jobEvents,
  gallery,
  pictures,
  settingsOfPicture,
  promptTokens,
  write,
  score,
  explain,
  explainRun,
  choices,
  health,
  openAiImages,
  openAiModels,
  a1111Draw,
  a1111Lists,
  studio,
];

/** Routes whose bodies may hold pictures; those of the others are words. */
const BRINGS_PICTURES = /^\/(api\/(jobs|score|settings|explain)|v1|sdapi)(\/|$)/;
/** Bytes of a body without pictures. */
const SMALL_BODY = 2 ** 20;

/** The server as a function from request to response. */
export function createApp(services: Services): App {
  const { access, limits, version } = services;
  const app: App = new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.error, result.target);
    },
  });
  app.onError((error, c) => {
    const told = error instanceof HTTPException ? fromHttp(error) : apiError(error);
    const log = c.var.log ?? services.log;
    // Of one whose client has gone nobody reads the answer.
    if (told.code === "internal" && !c.req.raw.signal.aborted) log.error({ err: error }, "a request failed");
    if (told.retryAfter !== undefined) c.header("Retry-After", String(told.retryAfter));
    const { body, status, headers } = shapeProblem(c.req.path, told);
    return c.json(body, status, headers);
  });
  app.notFound((c) => {
    throw new ApiError("not_found", `There is nothing at ${c.req.path.slice(0, 200)}.`);
  });

  app.use(logged(services));
  app.use(
    secureHeaders({
      // http alone is spoken here; whoever puts TLS before it knows about that.
      strictTransportSecurity: false,
      crossOriginResourcePolicy: "same-origin",
      referrerPolicy: "same-origin",
      xFrameOptions: "DENY",
    }),
  );
  app.use(originGuard(access));
  app.use(clientGuard(access));
  app.use(plainBody);
  const [large, small] = [sized(limits.body), sized(Math.min(limits.body, SMALL_BODY))];
  app.use((c, next) => (BRINGS_PICTURES.test(c.req.path) ? large : small)(c, next));
  app.use(async (c, next) => {
    if (/\bjson\b/i.test(c.req.header("content-type") ?? "")) checkJson(await c.req.text());
    return next();
  });
  for (const route of ROUTES) route(app, services);
  app.openAPIRegistry.registerComponent("securitySchemes", "key", { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "inkling", version, description: "Draws pictures from words, on this machine." },
    ...(access.keys && { security: [{ key: [] }] }),
  });
  return app;
}

/** Refuses bodies that would have to be unpacked: a few bytes of them can become gigabytes. */
const plainBody: MiddlewareHandler<Env> = (c, next) => {
  if (/^(identity)?$/i.test(c.req.header("content-encoding") ?? "")) return next();
  throw new ApiError("unsupported", "A body is taken as it is: send it without Content-Encoding.");
};

/** Refuses longer bodies, whether they say how long they are or not. */
function sized(maxSize: number): MiddlewareHandler<Env> {
  const onError = (): never => {
    throw new ApiError("too_large", `A request has at most ${maxSize} bytes here.`);
  };
  return bodyLimit({ maxSize, onError });
}

/** Notes every request: its path and never its query, in which people search by words. */
function logged({ log, metrics }: Services): MiddlewareHandler<Env> {
  return async (c, next) => {
    const start = performance.now();
    c.set("log", log);
    await next();
    const [{ method, path }, { status }] = [c.req, c.res];
    const ms = performance.now() - start;
    metrics.request(method, routePath(c, -1), status, ms / 1000);
    const level = status >= 500 ? "error" : status >= 400 ? "warn" : "debug";
    log[level]({ method, path, status, ms: Math.round(ms), client: c.var.client }, "request");
  };
}

/** The first thing that is wrong with a request, by the name of its setting. */
function invalid(error: z.core.$ZodError, target: string): ApiError {
  const issue = error.issues[0]!;
  const at = issue.path.join(".");
  const where = at || (target === "json" ? "the body" : target);
  const what = issue.code === "unrecognized_keys" ? `there is no setting "${issue.keys[0]}"` : issue.message;
  return new ApiError("invalid", `${where}: ${what}`, { ...(at && { at }) });
}

function fromHttp(error: HTTPException): ApiError {
  switch (error.status) {
    case 415:
      return new ApiError(
        "unsupported",
        "The body's Content-Type is none that is taken here: application/json, or multipart/form-data where files are sent.",
      );
    case 413:
      return new ApiError("too_large", "The request is too large.");
    default:
      return error.status < 500
        ? new ApiError("invalid", error.message || "The request makes no sense.")
        : apiError(error);
  }
}
