/** Where pictures lie: in a folder, in a bucket, and in one that fails. */
import { randomBytes } from "node:crypto";
import { readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readMetadata } from "../../src/image/index.ts";
import type { GalleryItem } from "../../src/server/index.ts";
import { createFileStore, type FileStore } from "../../src/server/store/files.ts";
import { picturePlace, type S3Place } from "../../src/server/store/picture-place.ts";
import { openPictures } from "../../src/server/store/pictures.ts";
import { createS3Store, type S3Store } from "../../src/server/store/s3.ts";
import { BUCKET, credentials, type S3Double, s3Double, signatureOf } from "../support/s3.ts";
import { type TestServer, type TestServerOptions, temporaryFolder, testServers } from "../support/server.ts";

const log = pino({ level: "silent" });
const env = { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };

let s3: S3Double;
const placeIn = (more: Partial<S3Place> = {}): S3Place => ({
  bucket: BUCKET,
  prefix: "gallery/",
  endpoint: s3.endpoint,
  region: "us-east-1",
  credentials,
  ...more,
});
const storeIn = (more: Partial<S3Place> = {}): S3Store => createS3Store(placeIn(more), { firstWait: 1 });
beforeAll(async () => {
  s3 = await s3Double();
});
afterEach(() => {
  for (const list of [s3.asked, s3.faults]) list.length = 0;
  s3.files.clear();
});
afterAll(() => s3.close());

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  return Buffer.from(await new Response(stream).arrayBuffer());
}

/** What holds for every place of pictures. */
function keepsFiles(open: () => FileStore): void {
  it("gives back what it was given, whole or piece by piece, and the last that had a name", async () => {
    const files = open();
    const bytes = randomBytes(600_000);
    await files.write("a-0.png", randomBytes(10));
    await files.write("a-0.png", bytes);
    expect((await files.read("a-0.png"))!.equals(bytes)).toBe(true);
    const { size, body } = (await files.stream("a-0.png"))!;
    expect(size).toBe(bytes.length);
    expect((await bytesOf(body)).equals(bytes)).toBe(true);
  });

  it("lists what it holds, and removes it; what is not there is none", async () => {
    const files = open();
    const names = Array.from({ length: 8 }, (_, i) => `b-${i}.png`);
    for (const name of names) await files.write(name, Buffer.from(name));
    expect((await files.names()).sort()).toEqual(names);
    await files.remove("b-3.png");
    await files.remove("b-3.png");
    expect(await files.names()).toHaveLength(7);
    expect([await files.read("b-3.png"), await files.stream("b-3.png")]).toEqual([undefined, undefined]);
    expect(await files.sweepTemporary()).toBe(0);
  });

  it("has no names that lead elsewhere", async () => {
    const files = open();
    for (const name of ["../a.png", "a/b.png", "a.png?x", "", "..", "a%2f.png"]) {
      await expect((async () => files.read(name))()).rejects.toThrow("no name");
    }
  });
}

describe("a folder", () => {
  const folders: string[] = [];
  const folder = (): string => folders[folders.push(temporaryFolder()) - 1]!;
  afterAll(() => {
    for (const each of folders) rmSync(each, { recursive: true });
  });
  keepsFiles(() => createFileStore(folder()));

  it("that is shared keeps what others are about to write, until it is old", async () => {
    const path = folder();
    for (const name of [".inkling-1.tmp", ".inkling-2.tmp"]) writeFileSync(join(path, name), "x");
    utimesSync(join(path, ".inkling-2.tmp"), 0, Date.now() / 1000 - 7200);
    expect(await (await openPictures({ folder: path }, log)).sweepTemporary()).toBe(1);
    expect(readdirSync(path)).toEqual([".inkling-1.tmp"]);
  });
});

describe("a bucket", () => {
  keepsFiles(storeIn);

  it("is asked under its prefix, with a signature for each request", async () => {
    const store = storeIn();
    await store.check();
    await store.write("a.png", randomBytes(5));
    s3.files.set("other/b.png", Buffer.from("x")).set("gallery/deeper/c.png", Buffer.from("x"));
    expect(await store.names()).toEqual(["a.png"]);
    expect(s3.asked.slice(0, 3)).toEqual([
      "PUT /pictures/gallery/inkling-check.txt",
      "DELETE /pictures/gallery/inkling-check.txt",
      "PUT /pictures/gallery/a.png",
    ]);
    await storeIn({ prefix: "" }).write("d.png", randomBytes(5));
    expect(s3.files.has("d.png")).toBe(true);
  });

  it.each([500, 503, 429, "hang up"] as const)("that fails for a moment (%s) is asked again", async (fault) => {
    const told: string[] = [];
    const store = createS3Store(placeIn(), { firstWait: 1, onRetry: (why) => told.push(why) });
    const bytes = randomBytes(1000);
    s3.faults.push(fault, fault);
    await store.write("a.png", bytes);
    s3.faults.push(fault);
    expect(await store.read("a.png")).toEqual(bytes);
    expect(told).toHaveLength(3);
  });

  it("whose answer breaks off is asked again; a stream that breaks off ends with an error", async () => {
    const store = storeIn();
    const bytes = randomBytes(1_000_000);
    await store.write("a.png", bytes);
    s3.faults.push("break off");
    expect((await store.read("a.png"))!.equals(bytes)).toBe(true);
    s3.faults.push("break off");
    await expect(bytesOf((await store.stream("a.png"))!.body)).rejects.toThrow();
  });

  it("that goes on failing is given up after six times", async () => {
    s3.faults.push(...Array<number>(100).fill(500));
    await expect(storeIn().write("a.png", randomBytes(5))).rejects.toThrow("it answers InternalError");
    expect(s3.asked).toHaveLength(6);
    expect(s3.files.size).toBe(0);
  });

  it.each<[string, Partial<S3Place>, RegExp]>([
    ["another key", { credentials: { ...credentials, accessKeyId: "AKID2" } }, /credentials.*\(InvalidAccessKeyId\)/],
    [
      "another secret",
      { credentials: { ...credentials, secretAccessKey: "x" } },
      /credentials.*\(SignatureDoesNotMatch\)/,
    ],
    ["another bucket", { bucket: "nothing" }, /no bucket "nothing"/],
    ["another region", { region: "eu-central-1" }, /AuthorizationHeaderMalformed/],
    ["nobody there", { endpoint: "http://127.0.0.1:2" }, /cannot be reached \(ECONNREFUSED\)/],
  ])("is not opened with %s, and says why, and no secret", async (_, more, words) => {
    const place = placeIn(more);
    const refused = createS3Store(place, { firstWait: 1 }).check();
    await expect(refused).rejects.toThrow(words);
    await expect(refused).rejects.not.toThrow("forty characters");
  });
});

describe("the double", () => {
  it("computes signatures as Amazon's own example does", () => {
    const headers = {
      host: "examplebucket.s3.amazonaws.com",
      range: "bytes=0-9",
      "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "x-amz-date": "20130524T000000Z",
    };
    const scope = "20130524/us-east-1/s3/aws4_request";
    const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const signature = signatureOf({ method: "GET", url: "/test.txt", headers }, Object.keys(headers), scope, secret);
    expect(signature).toBe("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  });
});

describe("a place that somebody wrote", () => {
  it("is a folder, or a bucket with what the environment has", () => {
    expect(picturePlace("shared/pictures", {})).toEqual({ folder: join(process.cwd(), "shared/pictures") });
    expect(picturePlace("s3://my.bucket", env)).toEqual({
      bucket: "my.bucket",
      prefix: "",
      region: "us-east-1",
      endpoint: "https://s3.us-east-1.amazonaws.com",
      credentials,
    });
    const more = { ...env, AWS_REGION: "eu-west-1", AWS_SESSION_TOKEN: "t", AWS_ENDPOINT_URL_S3: "http://a:1" };
    const { prefix, region, endpoint, credentials: given } = picturePlace("s3://b-1/x/y_z/", more) as S3Place;
    expect([prefix, region, endpoint, given.sessionToken]).toEqual(["x/y_z/", "eu-west-1", "http://a:1", "t"]);
    const own = picturePlace("s3://b-1", more, "https://host:9/path/") as S3Place;
    expect(own.endpoint).toBe("https://host:9/path");
  });

  it.each([
    ["http://host/bucket", undefined, "no place"],
    ["s3://", undefined, "no place"],
    ["s3://Bucket", undefined, "no place"],
    ["s3://bucket/../other", undefined, "no place"],
    ["s3://bucket/a//b", undefined, "no place"],
    ["s3://bucket/a?b", undefined, "no place"],
    ["s3://bucket", "file:///etc", "--s3-endpoint"],
    ["s3://bucket", "http://user:secret@host", "--s3-endpoint"],
    ["s3://bucket", "host:9000", "--s3-endpoint"],
  ])("%s (%s) is refused", (where, endpoint, words) => {
    expect(() => picturePlace(where, env, endpoint)).toThrow(words);
    expect(() => picturePlace(where, env, endpoint)).not.toThrow("secret@");
  });

  it("needs credentials, by their names", () => {
    expect(() => picturePlace("s3://bucket", { AWS_ACCESS_KEY_ID: "a" })).toThrow("AWS_SECRET_ACCESS_KEY");
  });
});

describe("a server whose pictures are in a bucket", () => {
  const openServer = testServers();
  const open = (options: TestServerOptions = {}) => openServer({ pictures: storeIn(), ...options });
  const galleryOf = async ({ ask }: TestServer): Promise<GalleryItem[]> =>
    ((await (await ask("GET", "/api/gallery")).json()) as { pictures: GalleryItem[] }).pictures;

  it("draws, shows, and deletes with a way back, and for good", async () => {
    const server = await open();
    const { id, settings } = await server.post({ count: 2 });
    await server.until(id, "done");
    expect([...s3.files.keys()]).toEqual([`gallery/${id}-0.png`, `gallery/${id}-1.png`]);
    const [last] = await galleryOf(server);
    const answer = await server.ask("GET", last!.url);
    const png = new Uint8Array(await answer.arrayBuffer());
    expect(answer.headers.get("content-length")).toBe(String(png.length));
    expect(readMetadata(png, "it").infotext).toBe(last!.infotext);
    const head = await server.ask("HEAD", last!.url);
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(png.length)]);
    expect((await server.ask("GET", last!.thumbnail)).headers.get("content-type")).toBe("image/webp");
    expect(settings.seed).toBe(7);

    await server.ask("DELETE", last!.url);
    await server.ask("POST", `${last!.url}/restore`);
    expect(await galleryOf(server)).toHaveLength(2);
    expect(s3.files.size).toBe(2);
    await server.ask("DELETE", last!.url);
    expect((await server.ask("DELETE", `${last!.url}?forever=true`)).status).toBe(204);
    expect([...s3.files.keys()]).toEqual([`gallery/${id}-0.png`]);
  });

  it("fails a job whose picture cannot be stored, and has nothing half of it; the same can be drawn later", async () => {
    const server = await open();
    s3.faults.push(500, 500, 500, 500, 500, 500);
    const { id } = await server.post({});
    const failed = await server.until(id, "failed");
    expect(failed.error!.message).toMatch(/storage fails: it answers InternalError/);
    expect([await galleryOf(server), s3.files.size]).toEqual([[], 0]);
    const again = (await (await server.ask("POST", `/api/jobs/${id}/retry`)).json()) as { id: string };
    expect((await server.until(again.id, "done")).pictures).toHaveLength(1);
  }, 20_000);

  it("says that the storage is away when a picture is asked for, and forgets one that was deleted meanwhile", async () => {
    const data = temporaryFolder();
    const server = await open({ data });
    const { pictures } = await server.until((await server.post({})).id, "done");
    const { url } = pictures[0]!;
    s3.faults.push(...Array<number>(6).fill(503));
    const away = await server.ask("GET", url);
    expect([away.status, away.headers.get("retry-after")]).toEqual([503, "10"]);
    expect(await away.json()).toMatchObject({ error: { code: "unavailable" } });
    await server.ask("DELETE", url);
    s3.faults.push(...Array<number>(6).fill(503));
    expect((await server.ask("DELETE", `${url}?forever=true`)).status).toBe(204);
    expect((await server.ask("GET", `${url}/info`)).status).toBe(404);
    expect(s3.files.size).toBe(1);
    await server.stop();
    await open({ data });
    expect(s3.files.size).toBe(0);
  }, 40_000);

  it("does not start where pictures cannot be kept", async () => {
    const refused = openPictures(placeIn({ bucket: "nothing" }), log);
    await expect(refused).rejects.toThrow(/^s3:\/\/nothing\/gallery\/ at http.*no bucket "nothing"/);
  });
});
