import { createRoute, z } from "@hono/zod-openapi";
import { likeness, nextTokens, noiseCurve, textDrawing, tokensInSpace, unetDrawing } from "../../explain/index.ts";
import { float32 } from "../../tensor/index.ts";
import { type Dataset, isSkipped } from "../../training/data/dataset.ts";
import { openDrawings } from "../../training/data/drawings/drawings.ts";
import { body, json, problems } from "../describe.ts";
import { dataUrl, numbersOf } from "../explain/wire.ts";
import {
  explainedDrawing,
  explainedModel,
  explainedWords,
  modelQuery,
  nextRequest,
  nextWords,
  wordsRequest,
} from "../schema/explain.ts";
import type { Route } from "../services.ts";

const tags = ["explain"];
/** How many drawings there are to look at. */
const DRAWINGS = 1000;

const model = createRoute({
  method: "get",
  path: "/api/explain/model",
  tags,
  summary: "A model's U-Net as a drawing, and the noise that it learnt to undo",
  request: { query: modelQuery },
  responses: { 200: json(explainedModel, "Its parts in their order"), ...problems },
});
const drawing = createRoute({
  method: "get",
  path: "/api/explain/drawings/{index}",
  tags,
  summary: "A portrait of the data generator that training held out",
  request: {
    params: z.object({
      index: z.coerce
        .number()
        .int()
        .min(0)
        .max(DRAWINGS - 1)
        .openapi({ param: { name: "index", in: "path" } }),
    }),
  },
  responses: { 200: json(explainedDrawing, "With its caption"), ...problems },
});
const words = createRoute({
  method: "post",
  path: "/api/explain/words",
  tags,
  summary: "A text's tokens with the words nearest to each, and how like another text it is",
  request: { body: body(wordsRequest) },
  responses: { 200: json(explainedWords, "Of the model's text encoder"), ...problems },
});
const next = createRoute({
  method: "post",
  path: "/api/explain/next",
  tags,
  summary: "What GPT-2 would write next",
  request: { body: body(nextRequest) },
  responses: { 200: json(nextWords, "The likeliest first"), ...problems },
});

/** Words that are named with a token, and tokens that are named to come next. */
const [NEAREST, LIKELIEST] = [8, 16];

/** What networks know. */
export const explain: Route = (app, { models, explainer }) => {
  app.openapi(model, async (c) => {
    const name = c.req.valid("query").model;
    const [facts, tokenizer] = [await models.facts(name), await models.tokenizer(name)];
    const { alpha, sigma } = noiseCurve({ facts });
    const { width, height, previewFactors } = facts.defaults;
    const drawn = unetDrawing({ facts, tokenizer });
    const text = textDrawing({ facts, tokenizer });
    return c.json(
      {
        model: facts.name,
        ...{ width, height, scale: facts.scale },
        latent: [...drawn.latent],
        words: [...drawn.words],
        weights: drawn.weights,
        parts: drawn.parts.map((part) => ({ ...part, shape: [...part.shape] })),
        text: { ...text, parts: [...text.parts] },
        alpha: numbersOf(float32([alpha.length], alpha)),
        sigma: numbersOf(float32([sigma.length], sigma)),
        previewFactors: previewFactors.map((row) => [...row]),
      },
      200,
    );
  });

  let opened: Promise<Dataset> | undefined;
  app.openapi(drawing, async (c) => {
    const kinds = ["pixel", "lorelei", "bigheads", "faces"] as const;
    opened ??= openDrawings({ count: DRAWINGS, seed: 0, split: "heldout", kinds });
    const drawn = await (await opened).at(c.req.valid("param").index);
    if (isSkipped(drawn)) throw new Error(drawn.skipped);
    return c.json({ picture: await dataUrl(drawn.picture), caption: drawn.caption }, 200);
  });

  app.openapi(words, async (c) => {
    const { text, other, model: name } = c.req.valid("json");
    const { signal } = c.req.raw;
    return explainer.use(async ({ inkling }) => {
      const { parts } = await inkling(name);
      const tokens = await tokensInSpace(text, NEAREST, parts);
      const found = other === undefined ? undefined : await likeness([text, other], parts, signal);
      return c.json(
        {
          room: parts.tokenizer.maxLength,
          tokens: tokens.map(({ nearest, ...token }) => ({ ...token, nearest: [...nearest] })),
          ...(found && {
            likeness: {
              cosine: found.cosine,
              tokens: found.tokens.map((row) => [...row]),
              matrix: found.matrix.map((row) => [...row]),
            },
          }),
        },
        200,
      );
    });
  });

  app.openapi(next, async (c) => {
    const { text } = c.req.valid("json");
    const { signal } = c.req.raw;
    return explainer.use(async ({ writer }) => {
      const gpt2 = await writer();
      const { tokens, logits } = await nextTokens(text, LIKELIEST, gpt2, signal);
      const told = numbersOf(float32([logits.length], logits));
      return c.json({ model: gpt2.name, tokens: [...tokens], logits: told }, 200);
    });
  });
};
