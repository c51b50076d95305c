import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { encodePicture } from "../../image/index.ts";
import { infoOf, parametersOf, progressOf } from "../a1111/answer.ts";
import { type OptionSettings, readOptions, toldOptions } from "../a1111/options.ts";
import { base64Of, img2imgRequest, type ReadRequest, txt2imgRequest } from "../a1111/request.ts";
import { drawnAnswer, type Img2Img, img2img, optionValues, progress, type Txt2Img, txt2img } from "../a1111/schema.ts";
import { createClientOptions, createWaitingJobs } from "../a1111/waiting.ts";
import { type AwaitedJob, awaitJob, checkDone } from "../await-job.ts";
import { body, json, problems } from "../describe.ts";
import type { Env } from "../env.ts";
import { ApiError } from "../error.ts";
import type { Decode } from "../jobs/decoder.ts";
import type { Job } from "../schema/job.ts";
import type { Route } from "../services.ts";

const tags = ["a1111"];
const nothing = json(z.object({}).nullable(), "Done");
const post = <T extends z.ZodType>(path: string, summary: string, schema: T) =>
  createRoute({
    method: "post",
    path: `/sdapi/v1/${path}`,
    tags,
    summary,
    request: { body: body(schema) },
    responses: { 200: json(drawnAnswer, "The pictures"), ...problems },
  });
const fromWords = post("txt2img", "Draw pictures, as A1111's clients ask for them", txt2img);
const fromPicture = post("img2img", "Draw a picture anew, or what of it a mask leaves open", img2img);
const getProgress = createRoute({
  method: "get",
  path: "/sdapi/v1/progress",
  tags,
  summary: "How far the caller's job is",
  request: { query: z.object({ skip_current_image: z.string().max(10).optional() }) },
  responses: { 200: json(progress, "Zeros where there is none"), ...problems },
});
const interrupt = createRoute({
  method: "post",
  path: "/sdapi/v1/interrupt",
  tags,
  summary: "Stop the caller's job that is drawn",
  responses: { 200: nothing, ...problems },
});
const getOptions = createRoute({
  method: "get",
  path: "/sdapi/v1/options",
  tags,
  summary: "What the caller has set",
  responses: { 200: json(optionValues, "Those that mean something here"), ...problems },
});
const setOptions = createRoute({
  method: "post",
  path: "/sdapi/v1/options",
  tags,
  summary: "Set what the caller's later requests are drawn with",
  request: { body: body(optionValues) },
  responses: { 200: nothing, ...problems },
});

/** Drawing for A1111's clients: they wait until a job is done, and ask meanwhile how far it is. */
export const a1111Draw: Route = (app, services) => {
  const { jobs, models, gallery, files, requests, version } = services;
  const waiting = createWaitingJobs();
  const options = createClientOptions<OptionSettings>({});

  async function answer(c: Context<Env>, asked: Txt2Img | Img2Img, { request, warnings }: ReadRequest) {
    const { client } = c.var;
    const awaited = await awaitJob(c, services, request);
    waiting.add(client, awaited.id);
    const job = await endOf(awaited).finally(() => waiting.remove(client, awaited.id));
    const kept = asked.send_images === false ? [] : job.pictures.filter(({ id }) => gallery.get(id));
    const pngs = await Promise.all(kept.map(({ id }) => files.pictures.read(`${id}.png`)));
    const images = pngs.flatMap((png) => png?.toString("base64") ?? []);
    return c.json({ images, parameters: parametersOf(asked), info: infoOf(job, warnings, version) }, 200);
  }

  /** The caller's job that is drawn, else the first that waits. */
  function jobOf(client: string): Job | undefined {
    const own = waiting.of(client).map((id) => jobs.get(id));
    return own.find(({ state }) => state === "running") ?? own[0];
  }

  app.openapi(fromWords, (c) => {
    const asked = c.req.valid("json");
    return answer(c, asked, txt2imgRequest(asked, options.get(c.var.client)));
  });
  app.openapi(fromPicture, async (c) => {
    const asked = c.req.valid("json");
    const { mask, inpainting_mask_invert: invert } = asked;
    const turned = mask && invert ? await inverted(base64Of(mask, "mask"), requests.decode) : undefined;
    return answer(c, asked, img2imgRequest(asked, options.get(c.var.client), turned));
  });
  app.openapi(getProgress, (c) => {
    const job = jobOf(c.var.client);
    const skip = /^(true|1)$/i.test(c.req.valid("query").skip_current_image ?? "");
    return c.json(progressOf(job, job && !skip ? jobs.preview(job.id) : undefined), 200);
  });
  app.openapi(interrupt, async (c) => {
    const job = jobOf(c.var.client);
    if (job) await jobs.cancel(job.id).catch(ignoreEnded);
    return c.json(null, 200);
  });
  app.openapi(getOptions, (c) => {
    const settings = { model: models.list()[0]?.name, ...options.get(c.var.client) };
    return c.json(toldOptions(settings), 200);
  });
  app.openapi(setOptions, async (c) => {
    const { settings, unknown } = readOptions(c.req.valid("json"));
    const [first] = unknown;
    if (first !== undefined) throw new ApiError("invalid", `${first}: it cannot be set here.`, { at: first });
    // A wrong name is told here, and not with the next picture.
    if (settings.model !== undefined) await models.facts(settings.model);
    const { client } = c.var;
    options.set(client, { ...options.get(client), ...settings });
    return c.json(null, 200);
  });
};

/** A job that was interrupted has ended well, as with A1111: with the pictures that were finished. */
async function endOf({ frames }: AwaitedJob): Promise<Job> {
  for (;;) {
    const { done, value } = await frames.next();
    if (done) return value.state === "cancelled" ? value : checkDone(value);
  }
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof ApiError && error.code === "conflict")) throw error;
}

/** Black for white. */
async function inverted(base64: string, decode: Decode): Promise<Uint8Array> {
  const picture = await decode(Buffer.from(base64, "base64"), "mask", "black");
  return encodePicture({ ...picture, data: picture.data.map((value) => 255 - value) }, "png");
}
