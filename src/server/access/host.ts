import { isIP } from "node:net";

/**
 * Whether a request means this server. A page of a stranger can give its own name the address 127.0.0.1 and then read what is
 * here (DNS rebinding); its browser still sends that name. Addresses cannot be bent so.
 *
 * @param host the Host header
 * @param names beside localhost
 */
export function isOwnHost(host: string | undefined, names: readonly string[]): boolean {
  const name = nameOf(host ?? "");
  if (name === undefined) return false;
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost") || names.includes(name);
}

/** A host without its port, in lower case; an IPv6 address without its brackets. */
function nameOf(host: string): string | undefined {
  const match = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, "");
}

/** Whether a page of this origin is the server's own: it has the host that the request went to. */
export function isOwnOrigin(origin: string, host: string | undefined): boolean {
  try {
    return host !== undefined && new URL(origin).host === host.toLowerCase();
  } catch {
    return false;
  }
}

/** Whether only this machine reaches an address that is listened at. */
export function isLoopback(address: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/i.test(address);
}
