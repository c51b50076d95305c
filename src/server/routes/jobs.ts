import { createRoute, z } from "@hono/zod-openapi";
import { acceptJob } from "../accept.ts";
import { body, idParam, json, problems } from "../describe.ts";
import { drawRequest } from "../schema/draw.ts";
import { job, jobList, jobQuery } from "../schema/job.ts";
import type { Route } from "../services.ts";

const tags = ["jobs"];
const asker = z.object({
  "idempotency-key": z.string().min(1).max(200).optional().describe("The same key and request again: the same job"),
});

const create = createRoute({
  method: "post",
  path: "/api/jobs",
  tags,
  summary: "Draw pictures",
  request: { headers: asker, body: body(drawRequest) },
  responses: {
    201: json(job, "Accepted, and stored so that nothing loses it"),
    200: json(job, "It was accepted before, under the same Idempotency-Key"),
    ...problems,
  },
});

const list = createRoute({
  method: "get",
  path: "/api/jobs",
  tags,
  summary: "Jobs, the newest first",
  request: { query: jobQuery },
  responses: { 200: json(jobList, "A page of them"), ...problems },
});

const get = createRoute({
  method: "get",
  path: "/api/jobs/{id}",
  tags,
  summary: "A job",
  request: { params: idParam },
  responses: { 200: json(job, "As it stands"), ...problems },
});

const cancel = createRoute({
  method: "delete",
  path: "/api/jobs/{id}",
  tags,
  summary: "Cancel a job that waits or is drawn; its finished pictures stay",
  request: { params: idParam },
  responses: { 200: json(job, "It has stopped"), ...problems },
});

const retry = createRoute({
  method: "post",
  path: "/api/jobs/{id}/retry",
  tags,
  summary: "The same request as a new job",
  request: { params: idParam, headers: asker },
  responses: { 201: json(job, "The new job"), ...problems },
});

/** Jobs: asked for, listed, looked at, cancelled, repeated. */
export const jobs: Route = (app, services) => {
  const { metrics } = services;
  app.openapi(create, async (c) => {
    const request = c.req.valid("json");
    const idempotencyKey = c.req.valid("header")["idempotency-key"];
    const { job: accepted, fresh } = await acceptJob(c, services, request, idempotencyKey);
    if (!fresh) return c.json(accepted, 200);
    return c.json(accepted, 201, { Location: `/api/jobs/${accepted.id}` });
  });
  app.openapi(list, (c) => c.json(services.jobs.list(c.req.valid("query")), 200));
  app.openapi(get, (c) => c.json(services.jobs.get(c.req.valid("param").id), 200));
  app.openapi(cancel, async (c) => c.json(await services.jobs.cancel(c.req.valid("param").id), 200));
  app.openapi(retry, async (c) => {
    const idempotencyKey = c.req.valid("header")["idempotency-key"];
    const again = await services.jobs.retry(c.req.valid("param").id, { client: c.var.client, idempotencyKey });
    metrics.accepted();
    return c.json(again, 201, { Location: `/api/jobs/${again.id}` });
  });
};
