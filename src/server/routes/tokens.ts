import { createRoute } from "@hono/zod-openapi";
import { type ClipTokenizer, chunkPrompt, type Fragment, readPrompt } from "../../text/index.ts";
import { body, json, problems } from "../describe.ts";
import { type Tokens, type TokensRequest, tokens, tokensRequest } from "../schema/words.ts";
import type { Route } from "../services.ts";

const route = createRoute({
  method: "post",
  path: "/api/tokens",
  tags: ["words"],
  summary: "A prompt as its model reads it",
  request: { body: body(tokensRequest) },
  responses: { 200: json(tokens, "Tokens with their weights"), ...problems },
});

/** Steps that a prompt's editing is counted in: only the first is looked at. */
const STEPS = 20;

/** Prompts as tokens. */
export const promptTokens: Route = (app, { models }) => {
  app.openapi(route, async (c) => {
    const request = c.req.valid("json");
    return c.json(tokensOf(request, await models.tokenizer(request.model)), 200);
  });
};

function tokensOf({ prompt, promptSyntax = "a1111" }: TokensRequest, tokenizer: ClipTokenizer): Tokens {
  const plain: readonly Fragment[] = [{ text: prompt, weight: 1, at: 0, isBreak: false }];
  const read =
    promptSyntax === "plain" ? [{ weight: 1, fragments: plain }] : readPrompt(prompt, { steps: STEPS }).map(firstStage);
  const parts = read.map(({ weight, fragments }) => ({
    weight,
    fragments: [...fragments],
    tokens: fragments.flatMap((fragment) => (fragment.isBreak ? [] : piecesOf(fragment, tokenizer))),
  }));
  const rows =
    promptSyntax === "plain" ? 1 : Math.max(...read.map((part) => chunkPrompt(part.fragments, tokenizer).length));
  return {
    count: Math.max(...parts.map((part) => part.tokens.length)),
    room: rows * (tokenizer.maxLength - 2),
    rows,
    dropped: promptSyntax === "plain" ? tokenizer.row(prompt).dropped : "",
    parts,
  };
}

function firstStage({ weight, stages }: ReturnType<typeof readPrompt>[number]) {
  return { weight, fragments: stages[0]!.fragments };
}

function piecesOf({ text, weight }: Fragment, tokenizer: ClipTokenizer) {
  const ids = tokenizer.encode(text).slice(1, -1);
  return ids.map((id) => ({ id, text: tokenizer.decode([id], { keepSpecial: true }), weight }));
}
