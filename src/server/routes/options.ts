import { createRoute } from "@hono/zod-openapi";
import { samplers, schedules } from "../../diffusion/index.ts";
import { goalNames, goalOf } from "../../pipelines/goal.ts";
import { json, problems } from "../describe.ts";
import { adapterNames } from "../jobs/request.ts";
import { modelList, options } from "../schema/options.ts";
import type { Route } from "../services.ts";

const tags = ["settings"];
const getModels = createRoute({
  method: "get",
  path: "/api/models",
  tags,
  summary: "The models that can be asked for",
  responses: { 200: json(modelList, "The default first"), ...problems },
});
const getOptions = createRoute({
  method: "get",
  path: "/api/options",
  tags,
  summary: "All that menus and sliders need",
  responses: { 200: json(options, "Samplers, schedules, goals, adapters, limits"), ...problems },
});

/** What can be asked for. */
export const choices: Route = (app, { models, requests, limits, version }) => {
  const { config, adapterFolder } = requests;
  const { watchers: _, ...told } = limits;
  app.openapi(getModels, async (c) => {
    // Its defaults are known once it was opened; those of the one that most will take, at once.
    await models.facts();
    return c.json({ models: models.list() }, 200);
  });
  app.openapi(getOptions, async (c) =>
    c.json(
      {
        version,
        samplers: samplers.map(
          ({ name, aliases, family, description, stochastic, callsPerStep, takesEta, ...own }) => ({
            ...{ name, aliases: [...aliases], family, description, stochastic, callsPerStep, takesEta },
            schedules: [...own.schedules],
          }),
        ),
        schedules: schedules.map(({ name, aliases, description }) => ({ name, aliases: [...aliases], description })),
        goals: goalNames({ config }).map((name) => goalOf(name, { config })),
        adapters: await adapterNames(adapterFolder),
        limits: told,
      },
      200,
    ),
  );
};
