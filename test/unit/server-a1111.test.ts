import { describe, expect, it } from "vitest";
import { decodePicture, encodePicture, type Picture, readMetadata } from "../../src/image/index.ts";
import { readOptions, toldOptions } from "../../src/server/a1111/options.ts";
import type { A1111Problem } from "../../src/server/a1111/problem.ts";
import { base64Of, img2imgRequest, txt2imgRequest } from "../../src/server/a1111/request.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { testServers } from "../support/server.ts";

const open = testServers();

const TXT2IMG = "/sdapi/v1/txt2img";
const SMALL = { prompt: "a cat", width: 16, height: 24, steps: 2, seed: 7, sampler_name: "Euler" };
/** What the Python client webuiapi sends where nothing is said. */
const WEBUIAPI = {
  enable_hr: false,
  hr_scale: 2,
  hr_upscaler: "Latent",
  hr_second_pass_steps: 0,
  hr_resize_x: 0,
  hr_resize_y: 0,
  hr_checkpoint_name: null,
  hr_sampler_name: null,
  hr_scheduler: null,
  hr_prompt: "",
  hr_negative_prompt: "",
  denoising_strength: 0.7,
  firstphase_width: 0,
  firstphase_height: 0,
  prompt: "a cat",
  styles: [],
  seed: -1,
  subseed: -1,
  subseed_strength: 0.0,
  seed_resize_from_h: 0,
  seed_resize_from_w: 0,
  batch_size: 1,
  n_iter: 1,
  steps: 20,
  cfg_scale: 7.0,
  width: 512,
  height: 512,
  restore_faces: false,
  tiling: false,
  do_not_save_samples: false,
  do_not_save_grid: false,
  negative_prompt: "",
  eta: 1.0,
  s_churn: 0,
  s_tmax: 0,
  s_tmin: 0,
  s_noise: 1,
  override_settings: {},
  override_settings_restore_afterwards: true,
  sampler_name: "Euler a",
  scheduler: "automatic",
  sampler_index: "Euler a",
  script_name: null,
  script_args: [],
  send_images: true,
  save_images: false,
  alwayson_scripts: {},
};
const grey: Picture = { width: 16, height: 24, data: new Uint8Array(3 * 16 * 24).fill(9) };
const base64 = async (picture: Picture, infotext?: string) =>
  Buffer.from(await encodePicture(picture, "png", infotext)).toString("base64");
interface Drawn {
  images: string[];
  parameters: Record<string, unknown>;
  info: string;
}

describe("a request of A1111's", () => {
  it("becomes one of ours: what webuiapi sends", () => {
    expect(txt2imgRequest(WEBUIAPI)).toEqual({
      warnings: [],
      request: {
        prompt: "a cat",
        count: 1,
        steps: 20,
        guidance: 7,
        width: 512,
        height: 512,
        sampler: "Euler a",
        eta: 1,
      },
    });
    expect(txt2imgRequest({ ...WEBUIAPI, sampler_name: "Euler" }).request.eta).toBeUndefined();
    expect(txt2imgRequest({ prompt: "x" }).request).toEqual({ prompt: "x", count: 1 });
  });

  it("is drawn with the client's options, and with those of the request before them", () => {
    const override_settings = { sd_model_checkpoint: "b.safetensors [0123456789]", randn_source: "NV", sd_vae: "x" };
    const { request, warnings } = txt2imgRequest(
      { prompt: "x", batch_size: 2, n_iter: 3, scheduler: "Karras", override_settings },
      { model: "a", clipSkip: 2 },
    );
    expect(request).toEqual({ prompt: "x", count: 6, schedule: "Karras", model: "b", clipSkip: 2, rng: "cuda" });
    expect(warnings).toEqual(["override_settings: sd_vae mean nothing here."]);
  });

  it("may start from a picture", () => {
    const { request, warnings } = img2imgRequest({
      prompt: "x",
      init_images: ["data:image/png;base64,AQID"],
      mask: "AQID",
      mask_blur: 8,
      inpainting_fill: 0,
      inpaint_full_res: true,
    });
    expect(request).toEqual({
      prompt: "x",
      count: 1,
      image: { base64: "AQID" },
      mask: { base64: "AQID" },
      maskBlur: 8,
      strength: 0.75,
    });
    expect(warnings.map((line) => line.split(":")[0])).toEqual(["inpainting_fill", "inpaint_full_res"]);
    // mask_blur without a mask says nothing, as with A1111.
    expect(img2imgRequest({ init_images: ["AQID"], mask_blur: 4 }).request.maskBlur).toBeUndefined();
  });

  it.each([
    [{ enable_hr: true }, "enable_hr"],
    [{ tiling: true }, "tiling"],
    [{ restore_faces: true }, "restore_faces"],
    [{ subseed_strength: 0.3 }, "subseed_strength"],
    [{ script_name: "x/y/z plot" }, "script_name"],
    [{ alwayson_scripts: { ControlNet: { args: [] } } }, "alwayson_scripts"],
    [{ refiner_checkpoint: "b" }, "refiner_checkpoint"],
    [{ batch_size: 100 }, "batch_size · n_iter"],
    [{ batch_size: 0.5 }, "batch_size · n_iter"],
    [{ cfg_scale: 1e300 }, "cfg_scale"],
    [{ prompt: "x".repeat(10_001) }, "prompt"],
    [{ override_settings: { CLIP_stop_at_last_layers: -1 } }, "CLIP_stop_at_last_layers"],
  ])("%j is refused", (asked, at) => {
    expect(() => txt2imgRequest({ prompt: "x", ...asked })).toThrow(expect.objectContaining({ code: "invalid", at }));
  });

  it.each(["http://127.0.0.1/a.png", "https://example.org", "file:///etc/passwd", "FTP://x", "data:text/plain,x"])(
    "an address is no picture: %s",
    (address) => expect(() => base64Of(address, "mask")).toThrow(/addresses/),
  );
});

describe("A1111's options", () => {
  it("are read as they were told", () => {
    const settings = { model: "a", clipSkip: 2, rng: "cuda", tokenMerging: 0.5, emphasis: "no-norm" } as const;
    expect(readOptions(toldOptions(settings))).toEqual({ settings, unknown: [] });
    expect(readOptions({ constructor: 1, __proto__: 2, CLIP_stop_at_last_layers: "2" }).unknown).toEqual([
      "constructor",
      "CLIP_stop_at_last_layers",
    ]);
  });

  it("hold for the client that set them", async () => {
    const { ask, drawing } = await open();
    const set = (options: object, headers = {}) => ask("POST", "/sdapi/v1/options", options, headers);
    expect(await (await set({ CLIP_stop_at_last_layers: 2 })).json()).toBeNull();
    const told = (await (await ask("GET", "/sdapi/v1/options")).json()) as object;
    expect(told).toMatchObject({ sd_model_checkpoint: plainCheckpoint.name, CLIP_stop_at_last_layers: 2 });
    expect((await set(told)).status).toBe(200);
    await ask("POST", TXT2IMG, SMALL);
    await ask("POST", TXT2IMG, SMALL, { "x-client": "other" });
    expect(drawing.asked.map(({ clipSkip }) => clipSkip)).toEqual([2, undefined]);
    expect((await set({ sd_model_checkpoint: "none" })).status).toBe(422);
    expect((await set({ live_previews_enable: true })).status).toBe(422);
  });
});

describe("/sdapi/v1", () => {
  it("draws from words: pictures, the request, and what A1111 tells of them", async () => {
    const { ask, services } = await open();
    const answer = await ask("POST", TXT2IMG, { ...WEBUIAPI, ...SMALL, batch_size: 2 });
    const { images, parameters, info } = (await answer.json()) as Drawn;
    expect(parameters).toMatchObject({ prompt: "a cat", batch_size: 2, sampler_name: "Euler" });
    const told = JSON.parse(info);
    expect(told).toMatchObject({ seed: 7, all_seeds: [7, 8], width: 16, height: 24, steps: 2, warnings: [] });
    expect(images.map((png) => readMetadata(Buffer.from(png, "base64"), "it").infotext)).toEqual(told.infotexts);
    expect(services.gallery.list({ limit: 5 })).toHaveLength(2);
    const silent = await ask("POST", TXT2IMG, { ...SMALL, send_images: false });
    expect(((await silent.json()) as Drawn).images).toEqual([]);
  });

  it("draws a picture anew, its mask turned where that is asked for", async () => {
    const { ask, drawing } = await open();
    const half = { ...grey, data: grey.data.map((_, i) => (i < 3 * 8 * 24 ? 255 : 0)) };
    const [image, mask] = [await base64(grey), await base64(half)];
    const body = { ...SMALL, init_images: [image], mask, inpainting_mask_invert: 1, denoising_strength: 0.6 };
    const answer = await ask("POST", "/sdapi/v1/img2img", body);
    expect(((await answer.json()) as Drawn).parameters).toMatchObject({ init_images: null, mask: null });
    expect(drawing.asked[0]).toMatchObject({ strength: 0.6 });
    expect([
      drawing.asked[0]!.image!.data[0],
      drawing.asked[0]!.mask!.data[0],
      drawing.asked[0]!.mask!.data.at(-1),
    ]).toEqual([9, 0, 255]);
  });

  it("tells how far the caller's job is, and stops it with what is finished", async () => {
    const { ask, until, drawing, services } = await open();
    const progress = async (headers = {}) =>
      (await (await ask("GET", "/sdapi/v1/progress", undefined, headers)).json()) as {
        progress: number;
        current_image: string | null;
        state: { job_count: number; sampling_steps: number };
      };
    expect(await progress()).toMatchObject({ progress: 0, current_image: null, state: { job_count: 0 } });
    drawing.hold();
    const asked = ask("POST", TXT2IMG, { ...SMALL, steps: 4, batch_size: 3 });
    const step = async (share: number) => {
      await expect.poll(() => drawing.asked.length).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      drawing.release();
      drawing.hold();
      await expect.poll(async () => (await progress()).progress).toBeCloseTo(share);
    };
    for (let i = 1; i <= 5; i++) await step(i / 12);
    const { current_image: preview, state } = await progress();
    expect(state).toMatchObject({ job_count: 3, job_no: 1, sampling_step: 1, sampling_steps: 4 });
    expect((await decodePicture(Buffer.from(preview!, "base64"), "it")).width).toBe(2);
    expect(await progress({ "x-client": "other" })).toMatchObject({ state: { job_count: 0 } });
    await ask("POST", "/sdapi/v1/interrupt", undefined, { "x-client": "other" });
    const { id } = services.jobs.list({}).jobs[0]!;
    expect(services.jobs.get(id).state).toBe("running");
    expect(await (await ask("POST", "/sdapi/v1/interrupt")).json()).toBeNull();
    const answer = await asked;
    expect(answer.status).toBe(200);
    const { images } = (await answer.json()) as Drawn;
    expect([images.length, (await until(id, "cancelled")).pictures.length]).toEqual([1, 1]);
    expect(services.jobs.watchers).toBe(0);
  });

  it("reads the settings inside a picture", async () => {
    const { ask } = await open({ idle: true });
    const text = "a blue cat\nNegative prompt: dog\nSteps: 4, Sampler: Euler, Seed: 1";
    const answer = await ask("POST", "/sdapi/v1/png-info", { image: await base64(grey, text) });
    expect(await answer.json()).toEqual({
      info: text,
      items: { parameters: text },
      parameters: { Prompt: "a blue cat", "Negative prompt": "dog", Steps: "4", Sampler: "Euler", Seed: "1" },
    });
    const none = await ask("POST", "/sdapi/v1/png-info", { image: await base64(grey) });
    expect(await none.json()).toEqual({ info: "", items: {}, parameters: {} });
  });

  it("lists what there is, each by a name that can be asked for", async () => {
    const { ask } = await open({ idle: true });
    const list = async (name: string) => (await (await ask("GET", `/sdapi/v1/${name}`)).json()) as never;
    expect(await list("sd-models")).toMatchObject([{ title: plainCheckpoint.name, model_name: plainCheckpoint.name }]);
    const samplers: { name: string }[] = await list("samplers");
    expect(samplers.map(({ name }) => name)).toContain("Euler a");
    for (const { name } of samplers) expect(() => txt2imgRequest({ sampler_name: name })).not.toThrow();
    const schedulers: { name: string; label: string }[] = await list("schedulers");
    expect(schedulers).toContainEqual(expect.objectContaining({ name: "karras", label: "Karras" }));
    expect(await list("scripts")).toEqual({ txt2img: [], img2img: [] });
    for (const name of ["loras", "prompt-styles", "sd-vae"]) expect(await list(name)).toEqual([]);
  });

  it("says what is wrong in A1111's shape", async () => {
    const { ask } = await open({ idle: true });
    for (const wrong of [{ ...SMALL, steps: -1 }, { ...SMALL, sampler_name: "Eular" }, { prompt: 3 }]) {
      const answer = await ask("POST", TXT2IMG, wrong);
      const told = (await answer.json()) as A1111Problem;
      expect([answer.status, told.error]).toEqual([422, "invalid"]);
      expect(told.detail.length).toBeGreaterThan(10);
    }
    expect((await ask("POST", "/sdapi/v1/skip")).status).toBe(404);
  });
});
