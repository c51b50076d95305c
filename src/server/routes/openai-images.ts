import { createRoute } from "@hono/zod-openapi";
import type { Context } from "hono";
import { parseInfotext, readMetadata } from "../../image/index.ts";
import { type AwaitedJob, awaitJob, checkDone, doneJob } from "../await-job.ts";
import { body, json, problems } from "../describe.ts";
import type { Env } from "../env.ts";
import { ApiError, apiError } from "../error.ts";
import { EVENT_STREAM, eventStream, type FrameSource } from "../event-stream.ts";
import { type AnswerTools, completedEvent, dueCalls, imagesResponse, partialEvent } from "../openai/answer.ts";
import { maskOf } from "../openai/mask.ts";
import { openAiProblem } from "../openai/problem.ts";
import { editRequest, generationRequest, type ReadRequest, variationRequest } from "../openai/request.ts";
import { type Edit, edit, generation, imagesResponse as response, variation } from "../openai/schema.ts";
import type { Route, Services } from "../services.ts";

type Kind = "generation" | "edit";

const tags = ["openai"];
const responses = { 200: json(response, "The pictures; with stream: true events of them"), ...problems };
const form = <T>(schema: T) => ({ required: true, content: { "multipart/form-data": { schema } } });

const post = { method: "post", tags, responses } as const;
const generations = createRoute({
  ...post,
  path: "/v1/images/generations",
  summary: "Draw pictures, as OpenAI's clients ask for them",
  request: { body: body(generation) },
});
const edits = createRoute({
  ...post,
  path: "/v1/images/edits",
  summary: "Draw a picture anew, or what of it a mask leaves open",
  request: { body: form(edit) },
});
const variations = createRoute({
  ...post,
  path: "/v1/images/variations",
  summary: "Draw pictures that are like one",
  request: { body: form(variation) },
});

/** Pictures for OpenAI's clients: they wait until a job is done. */
export const openAiImages: Route = (app, services) => {
  const { decode } = services.requests;
  app.openapi(generations, (c) => answer(c, services, generationRequest(c.req.valid("json")), "generation") as never);
  app.openapi(edits, async (c) => {
    const asked = c.req.valid("form");
    const image = await bytesOf(oneImage(asked));
    const mask = asked.mask
      ? await maskOf(await bytesOf(asked.mask), "mask", decode)
      : await maskOf(image, "image", decode);
    if (asked.mask && !mask) {
      throw new ApiError("invalid", "mask: nothing of it is transparent, so nothing would be drawn anew.", {
        at: "mask",
      });
    }
    return (await answer(c, services, editRequest(asked, { image, mask }), "edit")) as never;
  });
  app.openapi(variations, async (c) => {
    const asked = c.req.valid("form");
    const image = await bytesOf(asked.image);
    const { infotext } = readMetadata(image, "image");
    const { prompt = "", negativePrompt } = infotext === undefined ? {} : parseInfotext(infotext);
    return (await answer(c, services, variationRequest(asked, image, { prompt, negativePrompt }), "edit")) as never;
  });
};

/** @throws ApiError where there is none, or more than one */
function oneImage({ image, "image[]": images = [] }: Edit): File {
  const all = [...(image ? [image] : []), ...images];
  if (all.length === 1) return all[0]!;
  const why = all.length === 0 ? "a picture to edit is missing" : "one picture is edited at a time";
  throw new ApiError("invalid", `image: ${why}.`, { at: "image" });
}

async function bytesOf(file: File): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function answer(
  c: Context<Env>,
  services: Services,
  { request, answer: form }: ReadRequest,
  kind: Kind,
): Promise<Response> {
  const { models, gallery, files } = services;
  const tokens = (await models.tokenizer(request.model)).encode(request.prompt).length;
  const awaited = await awaitJob(c, services, request);
  const tools: AnswerTools = {
    form,
    origin: c.req.url,
    usage: {
      input_tokens: tokens,
      input_tokens_details: { text_tokens: tokens, image_tokens: 0 },
      output_tokens: 0,
      total_tokens: tokens,
    },
    async png(item) {
      const bytes = gallery.get(item.id) && (await files.pictures.read(`${item.id}.png`));
      if (bytes) return bytes;
      throw new ApiError("conflict", "The picture was deleted before it was fetched.");
    },
  };
  if (form.partialImages !== undefined) {
    return c.body(eventStream(framesOf(awaited, services, kind, tools), services.heartbeat), 200, EVENT_STREAM);
  }
  return c.json(await imagesResponse(await doneJob(awaited), tools));
}

/** One event is made for each that the client has taken. */
function framesOf(awaited: AwaitedJob, { jobs }: Services, kind: Kind, tools: AnswerTools): FrameSource {
  const encoder = new TextEncoder();
  const events = eventsOf(awaited, jobs, kind, tools);
  return {
    async next() {
      const { value, done } = await events.next();
      if (done) return undefined;
      return { bytes: () => encoder.encode(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`) };
    },
    close: () => void awaited.leave(),
  };
}

async function* eventsOf(
  { id, frames, leave }: AwaitedJob,
  jobs: Services["jobs"],
  kind: Kind,
  tools: AnswerTools,
): AsyncGenerator<{ readonly type: string }, void, void> {
  const wanted = tools.form.partialImages ?? 0;
  let told = 0;
  try {
    for (;;) {
      const { done, value } = await frames.next();
      if (done) return yield await completedEvent(kind, checkDone(value), tools);
      const { event } = value;
      if (event.type !== "step" || told >= wanted) continue;
      // Steps that nobody read are gone: what is due by now is told once.
      const due = dueCalls(wanted, event.calls).filter((call) => call <= event.call + 1).length;
      if (due <= told) continue;
      const full = value.full();
      if (full.type !== "step" || full.preview === undefined) continue;
      yield await partialEvent(kind, jobs.get(id), told++, full.preview, tools);
    }
  } catch (error) {
    yield { type: "error", ...openAiProblem(apiError(error)) };
  } finally {
    await leave();
  }
}
