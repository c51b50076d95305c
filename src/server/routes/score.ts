import { createRoute } from "@hono/zod-openapi";
import { clipScore, textProbabilities } from "../../pipelines/index.ts";
import { body, json, problems } from "../describe.ts";
import { bytesOf } from "../jobs/request.ts";
import { scoreRequest, scores } from "../schema/words.ts";
import type { Route } from "../services.ts";

const route = createRoute({
  method: "post",
  path: "/api/score",
  tags: ["words"],
  summary: "How well pictures and texts agree, by CLIP",
  request: { body: body(scoreRequest) },
  responses: { 200: json(scores, "A row a picture, a column a text"), ...problems },
});

/** CLIP compares pictures with texts. */
export const score: Route = (app, { clip, requests }) => {
  app.openapi(route, async (c) => {
    const { pictures, texts } = c.req.valid("json");
    const { signal } = c.req.raw;
    return clip.use(async (opened) => {
      const seen: Float32Array[] = [];
      // One after another: several large ones at once would need the memory of all.
      for (const [i, source] of pictures.entries()) {
        const at = `pictures.${i}`;
        const picture = await requests.decode(await bytesOf(source, at, requests), at, "white");
        seen.push((await opened.embedPictures([picture], { signal }))[0]!);
      }
      const words = await opened.embedTexts(texts, { signal });
      return c.json(
        {
          model: opened.model,
          scores: seen.map((picture) => words.map((text) => clipScore(picture, text))),
          probabilities: seen.map((picture) => textProbabilities(picture, words, opened)),
        },
        200,
      );
    });
  });
};
