import { basename } from "node:path";
import { createRoute, z } from "@hono/zod-openapi";
import { samplers, schedules } from "../../diffusion/index.ts";
import { parseInfotext, readMetadata } from "../../image/index.ts";
import { base64Of } from "../a1111/request.ts";
import { pngInfo, pngInfoRequest } from "../a1111/schema.ts";
import { body, json, problems } from "../describe.ts";
import { adapterNames } from "../jobs/request.ts";
import type { Route, Services } from "../services.ts";

const tags = ["a1111"];

/** What A1111's clients fill their menus with: the path's last word, and what stands there. */
const LISTS: Readonly<Record<string, (services: Services) => unknown>> = {
  // The files' places and hashes are nobody's business: a model is asked for by its name.
  "sd-models": ({ models }) =>
    models.list().map(({ name }) => ({
      title: name,
      model_name: name,
      hash: null,
      sha256: null,
      filename: name,
      config: null,
    })),
  samplers: () =>
    samplers
      .filter(({ family }) => family === "a1111")
      .map(({ name, aliases }) => ({ name, aliases: [...aliases], options: {} })),
  schedulers: () =>
    schedules.map(({ name, aliases }) => ({
      name: name.toLowerCase().replaceAll(" ", "_"),
      label: name,
      aliases: [...aliases],
      default_rho: -1,
      need_inner_model: false,
    })),
  loras: async ({ requests }) =>
    (await adapterNames(requests.adapterFolder)).map((name) => ({ name, alias: name, path: name, metadata: {} })),
  embeddings: ({ requests: { embeddings = [] } }) => {
    const untold = { step: null, sd_checkpoint: null, sd_checkpoint_name: null, shape: null, vectors: null };
    const names = embeddings.map(({ name, file }) => name ?? basename(file, ".safetensors"));
    return { loaded: Object.fromEntries(names.map((name) => [name, untold])), skipped: {} };
  },
  upscalers: () => [{ name: "None", model_name: null, model_path: null, model_url: null, scale: 1 }],
  "latent-upscale-modes": () => [],
  hypernetworks: () => [],
  "face-restorers": () => [],
  "realesrgan-models": () => [],
  "prompt-styles": () => [],
  "sd-vae": () => [],
  scripts: () => ({ txt2img: [], img2img: [] }),
  "script-info": () => [],
};

const info = createRoute({
  method: "post",
  path: "/sdapi/v1/png-info",
  tags,
  summary: "The settings inside a picture's file",
  request: { body: body(pngInfoRequest) },
  responses: { 200: json(pngInfo, "Empty where there are none"), ...problems },
});

/** What there is, for A1111's clients. */
export const a1111Lists: Route = (app, services) => {
  for (const [name, list] of Object.entries(LISTS)) {
    const route = createRoute({
      method: "get",
      path: `/sdapi/v1/${name}`,
      tags,
      summary: `A1111's ${name}`,
      responses: { 200: json(z.any(), "As A1111 lists them"), ...problems },
    });
    app.openapi(route, async (c) => c.json((await list(services)) as never, 200));
  }
  app.openapi(info, (c) => {
    const bytes = Buffer.from(base64Of(c.req.valid("json").image, "image"), "base64");
    const { infotext } = readMetadata(bytes, "image");
    if (infotext === undefined) return c.json({ info: "", items: {}, parameters: {} }, 200);
    const { prompt, negativePrompt, fields } = parseInfotext(infotext);
    const parameters = { Prompt: prompt, "Negative prompt": negativePrompt, ...Object.fromEntries(fields) };
    return c.json({ info: infotext, items: { parameters: infotext }, parameters }, 200);
  });
};
