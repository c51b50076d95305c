import { createRoute, z } from "@hono/zod-openapi";
import { json } from "../describe.ts";
import type { Route } from "../services.ts";

const tags = ["operation"];
const status = z.object({ status: z.enum(["ok", "stopping"]) });
const alive = createRoute({
  method: "get",
  path: "/healthz",
  tags,
  summary: "The process answers",
  responses: { 200: json(status, "It does") },
});
const ready = createRoute({
  method: "get",
  path: "/readyz",
  tags,
  summary: "Jobs are accepted",
  responses: { 200: json(status, "They are"), 503: json(status, "The server stops") },
});
const figures = createRoute({
  method: "get",
  path: "/metrics",
  tags,
  summary: "Figures for Prometheus",
  responses: { 200: { description: "Its text format", content: { "text/plain": { schema: z.string() } } } },
});

/** How the server is, for what watches over it. */
export const health: Route = (app, services) => {
  const { metrics } = services;
  app.openapi(alive, (c) => c.json({ status: "ok" as const }, 200));
  app.openapi(ready, (c) =>
    services.ready() ? c.json({ status: "ok" as const }, 200) : c.json({ status: "stopping" as const }, 503),
  );
  app.openapi(
    figures,
    async (c) => c.body(await metrics.text(), 200, { "Content-Type": metrics.contentType }) as never,
  );
};
