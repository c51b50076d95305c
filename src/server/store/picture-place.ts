import { resolve } from "node:path";
import { InputError } from "../../tensor/index.ts";

/** Where the gallery's pictures lie: in a folder, or in a bucket of a service that speaks S3. */
export type PicturePlace = { readonly folder: string } | S3Place;

export interface S3Place {
  readonly bucket: string;
  /** "" or ends with a slash. */
  readonly prefix: string;
  /** https://host[:port][/path], with no slash at its end. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/**
 * What a person wrote: a folder, or s3://bucket/prefix, for which the environment has credentials under the names that all of S3's
 * tools know.
 *
 * @param endpoint of the service; default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, or Amazon's
 * @throws InputError for what is no such place, or where credentials are missing
 */
export function picturePlace(
  where: string,
  env: Readonly<Record<string, string | undefined>>,
  endpoint: string | undefined = env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"],
): PicturePlace {
  if (!/^\w+:\/\//.test(where)) return { folder: resolve(where) };
  const [, bucket, path] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w.\-/]*))?$/.exec(where) ?? [];
  const prefix = path?.replace(/\/*$/, "/").replace(/^\/$/, "") ?? "";
  if (bucket === undefined || /(^|\/)\.{0,2}\//.test(prefix)) {
    throw new InputError(
      `"${where.slice(0, 200)}" is no place for pictures: a folder, or s3://bucket/prefix with letters, digits and . _ - in it.`,
    );
  }
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw new InputError(
      `Pictures in s3://${bucket} need credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.`,
    );
  }
  const region = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || "us-east-1";
  return {
    bucket,
    prefix,
    region,
    endpoint: endpoint === undefined ? `https://s3.${region}.amazonaws.com` : checkEndpoint(endpoint),
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  };
}

function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && !url.username && !url.password && !url.search && !url.hash;
  if (isPlain && /^https?:$/.test(url.protocol)) return url.href.replace(/\/+$/, "");
  // It may hold a password, so it is not repeated.
  throw new InputError("--s3-endpoint is http:// or https://, a host, and a port where it needs one; nothing else.");
}
