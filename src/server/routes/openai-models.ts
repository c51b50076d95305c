import { createRoute, z } from "@hono/zod-openapi";
import { json, problems } from "../describe.ts";
import { ApiError } from "../error.ts";
import { model, modelList } from "../openai/schema.ts";
import type { Route } from "../services.ts";

const tags = ["openai"];
const list = createRoute({
  method: "get",
  path: "/v1/models",
  tags,
  summary: "The models, as OpenAI lists them",
  responses: { 200: json(modelList, "The default first"), ...problems },
});
const get = createRoute({
  method: "get",
  path: "/v1/models/{id}",
  tags,
  summary: "A model, as OpenAI tells of it",
  request: { params: z.object({ id: z.string().max(300) }) },
  responses: { 200: json(model, "It is here"), ...problems },
});

/** Models for OpenAI's clients. */
export const openAiModels: Route = (app, { models, now }) => {
  // When a model was made is not known; that it is served, since now.
  const created = Math.floor(now().getTime() / 1000);
  const told = (id: string) => ({ id, object: "model" as const, created, owned_by: "inkling" });
  app.openapi(list, (c) => c.json({ object: "list" as const, data: models.list().map(({ name }) => told(name)) }, 200));
  app.openapi(get, (c) => {
    const { id } = c.req.valid("param");
    if (models.list().some(({ name }) => name === id)) return c.json(told(id), 200);
    throw new ApiError("not_found", `The model "${id.slice(0, 100)}" does not exist here.`, { at: "model" });
  });
};
