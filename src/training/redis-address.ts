/** A Redis server's address as messages may show it: user, password and options, which may hold one, are left out. */
export function shownAddress(address: string): string {
  return address.replace(/^(\w+:\/\/).*@/, "$1").replace(/\?.*$/, "");
}
