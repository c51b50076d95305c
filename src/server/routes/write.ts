import { createRoute } from "@hono/zod-openapi";
import { goalOf } from "../../pipelines/goal.ts";
import { NO_GOAL } from "../../pipelines/goals.ts";
import { body, json, problems } from "../describe.ts";
import { writeRequest, written } from "../schema/words.ts";
import type { Route } from "../services.ts";

const route = createRoute({
  method: "post",
  path: "/api/write",
  tags: ["words"],
  summary: "Prompts that go on from a beginning",
  request: { body: body(writeRequest) },
  responses: { 200: json(written, "The closest to the beginning first"), ...problems },
});

const USUAL_COUNT = 4;

/** GPT-2 writes prompts. */
export const write: Route = (app, { writer, requests: { config } }) => {
  app.openapi(route, async (c) => {
    const { goal, ...asked } = c.req.valid("json");
    const usual = goal === undefined || goal === NO_GOAL ? {} : goalOf(goal, { config }).writer;
    const { count = USUAL_COUNT, ...settings } = { ...usual, ...asked };
    // Without a beginning there is nothing to be close to.
    const candidates = asked.beginning?.trim() ? count : undefined;
    const { signal } = c.req.raw;
    return writer.use(async (gpt2) => {
      const prompts = await gpt2.write({ ...settings, count, candidates, signal });
      const told = prompts.map(({ text, seed, probability, score }) => ({ text, seed, probability, score }));
      return c.json({ model: gpt2.model, prompts: told }, 200);
    });
  });
};
