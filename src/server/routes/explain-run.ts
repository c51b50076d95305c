import { createRoute } from "@hono/zod-openapi";
import { explainedRun, latentsOf, noised, wayBack } from "../../explain/index.ts";
import { encodePicture, pictureFromPixels } from "../../image/index.ts";
import type { OpenModel } from "../../pipelines/inkling.ts";
import type { ModelFacts } from "../../pipelines/resolve.ts";
import { float32, InputError, type Tensor } from "../../tensor/index.ts";
import { body, json, problems } from "../describe.ts";
import { apiError } from "../error.ts";
import { EVENT_STREAM, eventStream, type FrameSource } from "../event-stream.ts";
import { dataUrl, lineOf, numbersOf, stepLine, tensorOf } from "../explain/wire.ts";
import { bytesOf, filesOf, settingsOf } from "../jobs/request.ts";
import {
  backRequest,
  decodeRequest,
  encoded,
  encodeRequest,
  type Numbers,
  type RunLine,
  runLine,
  runRequest,
} from "../schema/explain.ts";
import type { Route } from "../services.ts";

const tags = ["explain"];

const run = createRoute({
  method: "post",
  path: "/api/explain/run",
  tags,
  summary: "A picture is drawn, and every step tells what went on inside",
  request: { body: body(runRequest) },
  responses: {
    200: {
      description: "`data:` is one of these as JSON, for each step as it comes",
      content: { "text/event-stream": { schema: runLine } },
    },
    ...problems,
  },
});
const back = createRoute({
  method: "post",
  path: "/api/explain/back",
  tags,
  summary: "Noisy latents are taken back to clean ones, step by step",
  request: { body: body(backRequest) },
  responses: {
    200: {
      description: "`data:` is a run's step as JSON, each as it comes, or why it failed",
      content: { "text/event-stream": { schema: runLine } },
    },
    ...problems,
  },
});
const encode = createRoute({
  method: "post",
  path: "/api/explain/encode",
  tags,
  summary: "A picture's latents, and noise of their shape",
  request: { body: body(encodeRequest) },
  responses: { 200: json(encoded, "As the U-Net knows them"), ...problems },
});
const decode = createRoute({
  method: "post",
  path: "/api/explain/decode",
  tags,
  summary: "The picture of latents",
  request: { body: body(decodeRequest) },
  responses: { 200: { description: "A PNG", content: { "image/png": { schema: {} } } }, ...problems },
});

/** Places of latents that are decoded at most: those of a picture of 1024×1024. */
const MOST_PLACES = 128 * 128;

/** Of the way back, where the request says nothing. */
const BACK_STEPS = 20;

/** Bytes of a run that may wait for its client: dozens of steps. */
const MOST_UNTAKEN = 2 ** 24;

/** A run that is looked into, and the way between pixels and latents. */
export const explainRun: Route = (app, { models, explainer, requests, log, heartbeat }) => {
  /** Lines as they are written, the last of them what went wrong. */
  const toldOf = (write: Write): FrameSource =>
    linesOf(async (tell, signal) => {
      try {
        await write(tell, signal);
      } catch (error) {
        const told = apiError(error);
        if (told.code === "internal" && !signal.aborted) log.error({ err: error }, "a run that was explained failed");
        await tell({ type: "failed", message: told.message });
      }
    });

  app.openapi(run, async (c) => {
    const request = c.req.valid("json");
    const settings = await settingsOf(request, await filesOf(request, requests), requests);
    // What cannot be drawn is refused before the answer begins.
    const { seed } = await models.resolve(request.model, settings);
    const lines = toldOf(async (tell, signal) => {
      await explainer.use(async ({ inkling }) => {
        const opened = await inkling(request.model);
        for await (const event of explainedRun({ ...settings, seed, signal }, opened)) await tell(await lineOf(event));
      });
    });
    return c.body(eventStream(lines, heartbeat), 200, EVENT_STREAM);
  });

  app.openapi(back, async (c) => {
    const { latents, model, steps = BACK_STEPS, ...asked } = c.req.valid("json");
    const tensor = latentsFrom(latents, await models.facts(model));
    const lines = toldOf(async (tell, signal) => {
      await explainer.use(async ({ inkling }) => {
        const { parts } = await inkling(model);
        for await (const step of wayBack(tensor, { ...asked, steps, signal }, parts)) await tell(stepLine(step));
      });
    });
    return c.body(eventStream(lines, heartbeat), 200, EVENT_STREAM);
  });

  app.openapi(encode, async (c) => {
    const { picture: source, seed = 0, model } = c.req.valid("json");
    const bytes = await bytesOf(source, "picture", requests);
    const picture = await requests.decode(bytes, "picture", "white");
    const { signal } = c.req.raw;
    return explainer.use(async ({ inkling }) => {
      const { parts } = await inkling(model);
      const latents = await latentsOf(picture, parts, signal);
      const { noise } = noised(latents, { timestep: 0, seed }, parts);
      const seen = await pictureOf(latents, parts, signal);
      return c.json({ picture: await dataUrl(seen), latents: numbersOf(latents), noise: numbersOf(noise) }, 200);
    });
  });

  app.openapi(decode, async (c) => {
    const { latents, model } = c.req.valid("json");
    const tensor = latentsFrom(latents, await models.facts(model));
    const { signal } = c.req.raw;
    return explainer.use(async ({ inkling }) => {
      const picture = await pictureOf(tensor, (await inkling(model)).parts, signal);
      return c.body(new Uint8Array(await encodePicture(picture, "png")), 200, { "Content-Type": "image/png" });
    });
  });
};

/** @throws InputError for what are no latents of this model */
function latentsFrom(numbers: Numbers, { latentChannels }: Pick<ModelFacts, "latentChannels">): Tensor<"float32"> {
  const tensor = tensorOf(numbers);
  const [batch, channels, height = 0, width = 0] = tensor.shape;
  if (batch !== 1 || channels !== latentChannels || height * width === 0 || height * width > MOST_PLACES) {
    throw new InputError(
      `latents: the shape is [${tensor.shape}]; it has to be [1, ${latentChannels}, height, width] of at most ${MOST_PLACES} places.`,
    );
  }
  return tensor;
}

async function pictureOf(latents: Tensor<"float32">, { networks }: Pick<OpenModel, "networks">, signal: AbortSignal) {
  const { shape, data } = await networks.decode(latents, { signal });
  return pictureFromPixels(
    float32(
      shape,
      data.map((x) => Math.min(1, Math.max(0, x / 2 + 0.5))),
    ),
  );
}

type Write = (tell: (line: RunLine) => Promise<void>, signal: AbortSignal) => Promise<void>;

/** Lines as they are told; telling waits where too many have not been taken. When nobody reads any more the signal fires. */
function linesOf(write: Write): FrameSource {
  const controller = new AbortController();
  const { signal } = controller;
  const encoder = new TextEncoder();
  const untaken = new ByteLengthQueuingStrategy({ highWaterMark: MOST_UNTAKEN });
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({}, untaken);
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  const tell = async (line: RunLine): Promise<void> => {
    await writer.ready;
    // What is written is taken at some time, or never: nobody waits for it here.
    writer.write(encoder.encode(`data: ${JSON.stringify(line)}\n\n`)).catch(() => {});
  };
  write(tell, signal)
    .then(() => writer.close())
    .catch(() => {});
  return {
    async next() {
      const { value } = await reader.read();
      return value && { bytes: () => value };
    },
    close() {
      controller.abort();
      reader.cancel().catch(() => {});
    },
  };
}
