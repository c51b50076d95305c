import { createRoute, z } from "@hono/zod-openapi";
import { idParam, problems } from "../describe.ts";
import { ApiError } from "../error.ts";
import { EVENT_STREAM, eventStream, RETRY } from "../event-stream.ts";
import { jobEvent } from "../schema/events.ts";
import type { Route } from "../services.ts";

const events = createRoute({
  method: "get",
  path: "/api/jobs/{id}/events",
  tags: ["jobs"],
  summary: "What becomes of a job, as server-sent events",
  request: {
    params: idParam,
    headers: z.object({ "last-event-id": z.string().max(200).optional().describe("Go on after this one") }),
  },
  responses: {
    200: {
      description: "`event:` is the type, `data:` one of these as JSON",
      content: { "text/event-stream": { schema: jobEvent } },
    },
    204: { description: "Nothing follows what was seen" },
    ...problems,
  },
});

/** A job as it comes about. */
export const jobEvents: Route = (app, { jobs, limits, heartbeat }) => {
  app.openapi(events, (c) => {
    const { id } = c.req.valid("param");
    if (jobs.watchers >= limits.watchers) {
      throw new ApiError("too_many", `${jobs.watchers} streams of events are open already.`, { retryAfter: 10 });
    }
    const watcher = jobs.watch(id, c.req.valid("header")["last-event-id"]);
    if (!watcher) return c.body(null, 204);
    return c.body(eventStream(watcher, heartbeat, RETRY), 200, EVENT_STREAM);
  });
};
