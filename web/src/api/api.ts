import type {
  DrawRequest,
  GalleryItem,
  GalleryPage,
  GalleryQuery,
  Job,
  JobEvent,
  JobList,
  JobState,
  ModelInfo,
  ModelList,
  Options,
  Session,
  SettingsFromPicture,
  Tokens,
  TokensRequest,
  WriteRequest,
  Written,
} from "../../../src/server/schema/index.ts";
import { type Call, sender } from "./call.ts";

export { ApiError } from "./call.ts";

/** Every type of event, so that one that is new does not compile. */
const TYPES: Readonly<Record<JobEvent["type"], true>> = {
  queued: true,
  start: true,
  step: true,
  decode: true,
  score: true,
  image: true,
  note: true,
  done: true,
  failed: true,
  cancelled: true,
  stopping: true,
};
const LAST: readonly JobEvent["type"][] = ["done", "failed", "cancelled"];

export type Api = ReturnType<typeof openApi>;

/** The server's own API, as functions. Each throws an {@link ApiError}. */
export function openApi(fetch: typeof globalThis.fetch, EventSource: typeof globalThis.EventSource) {
  const send = sender(fetch);
  async function call<T>(path: string, asked?: Call): Promise<T> {
    const answer = await send(path, asked);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  }
  const picture = (id: string): string => `/api/pictures/${encodeURIComponent(id)}`;
  const job = (id: string): string => `/api/jobs/${encodeURIComponent(id)}`;

  return {
    session: () => call<Session>("/api/session"),
    /** The key is kept in a cookie, which pictures and events carry too. */
    giveKey: (key: string) => call<Session>("/api/session", { json: { key } }),
    models: async () => (await call<ModelList>("/api/models")).models as ModelInfo[],
    options: () => call<Options>("/api/options"),
    /** A job. Sent again with the same key it is the same job. */
    draw: (request: DrawRequest, key: string, signal?: AbortSignal) =>
      call<Job>("/api/jobs", { json: request, headers: { "idempotency-key": key }, signal }),
    jobs: (query: { state?: JobState; limit?: number } = {}) => call<JobList>("/api/jobs", { query }),
    job: (id: string) => call<Job>(job(id)),
    cancel: (id: string) => call<Job>(job(id), { method: "DELETE" }),
    retry: (id: string) => call<Job>(`${job(id)}/retry`, { method: "POST" }),
    /**
     * Tells what happens to a job until it is over; the browser connects again where the line breaks. `lost` is called where
     * it gave up. Gives what ends the watching.
     */
    watch(id: string, tell: (event: JobEvent) => void, lost: () => void): () => void {
      const source = new EventSource(`${job(id)}/events`);
      for (const type of Object.keys(TYPES) as JobEvent["type"][]) {
        source.addEventListener(type, (message) => {
          if (LAST.includes(type)) source.close();
          tell(JSON.parse((message as MessageEvent<string>).data) as JobEvent);
        });
      }
      source.addEventListener("error", () => {
        if (source.readyState === source.CLOSED) lost();
      });
      return () => source.close();
    },
    pictures: (query: { [Key in keyof GalleryQuery]?: string | number }, signal?: AbortSignal) =>
      call<GalleryPage>("/api/gallery", { query, signal }),
    picture: (id: string) => call<GalleryItem>(`${picture(id)}/info`),
    favourite: (id: string, favourite: boolean) =>
      call<GalleryItem>(picture(id), { method: "PATCH", json: { favourite } }),
    /** Into the bin, from where it can be restored. */
    remove: (id: string) => call<GalleryItem>(picture(id), { method: "DELETE" }),
    /** What lies in the bin, for good. */
    destroy: (id: string) => call<void>(picture(id), { method: "DELETE", query: { forever: "true" } }),
    restore: (id: string) => call<GalleryItem>(`${picture(id)}/restore`, { method: "POST" }),
    tokens: (request: TokensRequest, signal?: AbortSignal) => call<Tokens>("/api/tokens", { json: request, signal }),
    write: (request: WriteRequest, signal?: AbortSignal) => call<Written>("/api/write", { json: request, signal }),
    settingsFrom: (file: Blob) =>
      call<SettingsFromPicture>("/api/settings/from-picture", {
        body: file,
        headers: { "content-type": file.type || "application/octet-stream" },
      }),
  };
}
