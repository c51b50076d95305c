import { setTimeout as sleep } from "node:timers/promises";
import { AwsClient } from "aws4fetch";
import { checkName, type FileStore, isName, StorageError, sha256 } from "./files.ts";
import type { S3Place } from "./picture-place.ts";

export interface S3Options {
  /** Told of each request that has to be sent again, and why. */
  readonly onRetry?: (why: string, attempt: number) => void;
  /** Milliseconds before the second attempt; each further one waits twice as long. Default 250. */
  readonly firstWait?: number;
}

export interface S3Store extends FileStore {
  /**
   * Writes a file and removes it again.
   *
   * @throws StorageError saying what is wrong: the address, the bucket, the credentials
   */
  check(): Promise<void>;
}

const ATTEMPTS = 6;
/** Milliseconds until an answer has to begin. */
const PATIENCE = 30_000;
/** Of no file, and swept by nobody. */
const CHECK = "inkling-check.txt";

/**
 * The files under a prefix of a bucket, by PutObject, GetObject, DeleteObject and ListObjectsV2 with the bucket in the path and
 * Signature Version 4. A file is put in one request that carries its SHA-256: it is there whole or not at all. No redirect is followed:
 * nothing but the endpoint is ever asked.
 */
export function createS3Store(place: S3Place, { onRetry, firstWait = 250 }: S3Options = {}): S3Store {
  const { bucket, prefix, endpoint, region, credentials } = place;
  const client = new AwsClient({ ...credentials, service: "s3", region });
  const urlOf = (name: string): string => `${endpoint}/${bucket}/${prefix}${checkName(name)}`;

  /** @param use reads the answer; where it breaks off the request is sent again. Undefined where there is no such file */
  async function ask<T>(
    method: "GET" | "PUT" | "DELETE",
    url: string,
    use: (answer: Response) => Promise<T>,
    bytes?: Uint8Array,
  ): Promise<T | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(method, url, use, bytes);
      } catch (error) {
        const { kind, message } =
          error instanceof Failure ? error : new Failure("passing", `it cannot be reached (${codeOf(error)})`);
        if (kind === "missing" && method !== "PUT") return undefined;
        if (kind !== "passing" || attempt === ATTEMPTS) {
          throw new StorageError(`The pictures' storage fails: ${message}.`);
        }
        onRetry?.(message, attempt);
      }
      // Not all at the same moment, where several have waited for the service.
      await sleep(firstWait * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
    }
  }

  async function once<T>(
    method: string,
    url: string,
    use: (answer: Response) => Promise<T>,
    body?: Uint8Array,
  ): Promise<T> {
    const headers = { "X-Amz-Content-Sha256": sha256(body ?? ""), ...(body && { "Content-Type": "image/png" }) };
    const request = await client.sign(url, { method, headers, body: body as BodyInit | undefined, redirect: "manual" });
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Failure("passing", "it does not answer")), PATIENCE);
    const answer = await fetch(request, { signal: late.signal }).finally(() => clearTimeout(timer));
    if (answer.ok) return use(answer);
    throw failureOf(answer, await answer.text(), place);
  }

  const nothing = async (answer: Response): Promise<void> => void (await answer.arrayBuffer());
  const store: S3Store = {
    write: (name, bytes) => ask("PUT", urlOf(name), nothing, bytes),
    read: (name) => ask("GET", urlOf(name), async (answer) => Buffer.from(await answer.arrayBuffer())),
    stream: (name) =>
      ask("GET", urlOf(name), async ({ headers, body }) => {
        const length = headers.get("content-length");
        return { ...(length !== null && { size: Number(length) }), body: body! };
      }),
    remove: (name) => ask("DELETE", urlOf(name), nothing),
    async names() {
      const names: string[] = [];
      for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
        const query = new URLSearchParams({ "list-type": "2", prefix, ...(token && { "continuation-token": token }) });
        const page = (await ask("GET", `${endpoint}/${bucket}?${query}`, (answer) => answer.text())) ?? "";
        const keys = textsOf(page, "Key").map((key) => key.slice(prefix.length));
        names.push(...keys.filter(isName));
        token = textsOf(page, "IsTruncated")[0] === "true" ? textsOf(page, "NextContinuationToken")[0] : undefined;
      }
      return names;
    },
    // Nothing is there in part.
    sweepTemporary: async () => 0,
    async check() {
      await store.write(CHECK, Buffer.from("Written to see whether pictures can be.\n"));
      await store.remove(CHECK);
    },
  };
  return store;
}

/** Why a request was in vain. */
class Failure extends Error {
  /** `passing`: the same request may succeed a moment later. `missing`: there is no such file. */
  readonly kind: "passing" | "missing" | "lasting";
  constructor(kind: Failure["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** What an answer that is none of success means. Of the service's own words only its code is told on. */
function failureOf({ status, headers }: Response, text: string, { bucket, region }: S3Place): Failure {
  const code = /<Code>([A-Za-z]{1,100})<\/Code>/.exec(text)?.[1];
  const lasting = (message: string): Failure => new Failure("lasting", code ? `${message} (${code})` : message);
  if (status === 429 || status >= 500) return new Failure("passing", `it answers ${code ?? status}`);
  if (code === "NoSuchKey") return new Failure("missing", "there is no such file");
  if (code === "NoSuchBucket") return lasting(`there is no bucket "${bucket}"`);
  if (code === "RequestTimeTooSkewed") return lasting("its clock and that of this machine differ");
  if (status >= 300 && status < 400) {
    const right = /^[\w-]{1,40}$/.exec(headers.get("x-amz-bucket-region") ?? "")?.[0];
    const where = right ? `is in the region ${right}` : `is not here, in the region ${region}`;
    return lasting(`the bucket "${bucket}" ${where}: set AWS_REGION, or the right --s3-endpoint`);
  }
  if (status === 401 || status === 403) {
    return lasting(
      `it refuses the credentials of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or they may not read and write in "${bucket}"`,
    );
  }
  return lasting(`it answers ${status}`);
}

/** What an XML document has in elements of this name, which hold text alone. */
function textsOf(xml: string, name: string): string[] {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", "#34": '"', "#39": "'" };
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, "g"))].map(([, text]) =>
    text!.replace(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole),
  );
}

/** ECONNREFUSED and the like. */
function codeOf(error: unknown): string {
  const { cause, name } = error as { cause?: { code?: string; message?: string }; name: string };
  return cause?.code ?? cause?.message ?? name;
}
