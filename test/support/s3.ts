/** A small service that speaks S3 as far as pictures need it, and believes no signature that it has not computed itself. */
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3Double {
  readonly endpoint: string;
  /** The files of its only bucket, "pictures". */
  readonly files: Map<string, Buffer>;
  /** "PUT /pictures/a.png", one for each request, those that were refused included. */
  readonly asked: string[];
  /** What becomes of the next requests, one each: a status, a connection that breaks, an answer that breaks off. */
  readonly faults: (number | "hang up" | "break off")[];
  close(): Promise<void>;
}

export const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "a secret/of+forty characters" };
export const BUCKET = "pictures";
const REGION = "us-east-1";
/** Names on a page of a listing. */
const PAGE = 3;

export interface Signed {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();

/** The signature that a request should have: Signature Version 4, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
export function signatureOf({ method, url, headers }: Signed, names: string[], scope: string, secret: string): string {
  const [path, query = ""] = url.split("?");
  const canonical = [
    method,
    path,
    query.split("&").filter(Boolean).sort().join("&"),
    ...names.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, " ")}`),
    "",
    names.join(";"),
    headers["x-amz-content-sha256"],
  ].join("\n");
  const [day, region, service, end] = scope.split("/");
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day!), region!), service!), end!);
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha256(canonical)].join("\n");
  return hmac(key, text).toString("hex");
}

/** What is wrong with a request's signature, as S3's codes say it. */
function refusal(request: Signed, body: Buffer): string | undefined {
  const { headers } = request;
  const pattern = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, id, scope, names, signature] = pattern.exec(headers.authorization ?? "") ?? [];
  if (scope === undefined) return "AccessDenied";
  if (id !== credentials.accessKeyId) return "InvalidAccessKeyId";
  const date = String(headers["x-amz-date"]);
  const time = Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!(Math.abs(Date.now() - time) < 900_000)) return "RequestTimeTooSkewed";
  if (scope !== `${date.slice(0, 8)}/${REGION}/s3/aws4_request`) return "AuthorizationHeaderMalformed";
  const signed = names!.split(";");
  if (!["host", "x-amz-content-sha256", "x-amz-date"].every((name) => signed.includes(name))) return "AccessDenied";
  if (signature !== signatureOf(request, signed, scope, credentials.secretAccessKey)) return "SignatureDoesNotMatch";
  if (headers["x-amz-content-sha256"] !== sha256(body)) return "XAmzContentSHA256Mismatch";
  return undefined;
}

export async function s3Double(): Promise<S3Double> {
  const files = new Map<string, Buffer>();
  const asked: string[] = [];
  const faults: S3Double["faults"] = [];
  const server = createServer((request, answer) => void serve(request, answer));

  async function serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    asked.push(`${method} ${url}`);
    const fault = faults.shift();
    if (fault === "hang up") return void request.socket.destroy();
    const say = (status: number, code: string): void => {
      answer.writeHead(status, { "content-type": "application/xml" });
      answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>…</Message></Error>`);
    };
    if (typeof fault === "number") return say(fault, fault === 503 ? "SlowDown" : "InternalError");
    const code = refusal({ method, url, headers }, body);
    if (code) return say(403, code);
    const { pathname, searchParams } = new URL(url, "http://s3");
    const [, bucket, key] = /^\/([^/]+)\/?(.*)$/.exec(pathname) ?? [];
    if (bucket !== BUCKET) return say(404, "NoSuchBucket");
    if (method === "PUT" && key) {
      files.set(key, body);
      return void answer.end();
    }
    if (method === "DELETE" && key) {
      files.delete(key);
      answer.statusCode = 204;
      return void answer.end();
    }
    if (method === "GET" && !key) return void answer.end(listing(searchParams));
    const file = method === "GET" ? files.get(key!) : undefined;
    if (!file) return method === "GET" ? say(404, "NoSuchKey") : say(405, "MethodNotAllowed");
    answer.writeHead(200, { "content-length": file.length });
    if (fault !== "break off") return void answer.end(file);
    answer.write(file.subarray(0, file.length >> 1), () => request.socket.destroy());
  }

  function listing(query: URLSearchParams): string {
    const all = [...files.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "")).sort();
    // A token that has to come back as it was.
    const from = Number(query.get("continuation-token")?.replace("a&b=+/", "") ?? 0);
    const keys = all.slice(from, from + PAGE);
    const more = from + PAGE < all.length;
    return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${keys
      .map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
      .join(
        "",
      )}${more ? `<NextContinuationToken>a&amp;b=+/${from + PAGE}</NextContinuationToken>` : ""}</ListBucketResult>`;
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files,
    asked,
    faults,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
