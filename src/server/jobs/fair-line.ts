/** A line in which clients take turns, each with its own oldest first: who asks for a hundred does not keep others waiting. */
export interface FairLine {
  add(client: string, id: string): void;
  /** Takes out whoever is next. */
  next(): string | undefined;
  remove(id: string): boolean;
  /** All of them, the next first. */
  order(): string[];
}

/** Turns go round (round-robin, Nagle 1987): a client that was served goes behind the others. */
export function createFairLine(): FairLine {
  /** Clients that wait, in the order of their turns. */
  const lines = new Map<string, string[]>();
  const drop = (client: string): void => void (lines.get(client)?.length === 0 && lines.delete(client));
  return {
    add(client, id) {
      const line = lines.get(client) ?? [];
      lines.set(client, line);
      if (!line.includes(id)) line.push(id);
    },
    next() {
      const [first] = lines;
      if (!first) return undefined;
      const [client, line] = first;
      const id = line.shift();
      lines.delete(client);
      if (line.length > 0) lines.set(client, line);
      return id;
    },
    remove(id) {
      for (const [client, line] of lines) {
        const at = line.indexOf(id);
        if (at < 0) continue;
        line.splice(at, 1);
        drop(client);
        return true;
      }
      return false;
    },
    order() {
      const longest = Math.max(0, ...[...lines.values()].map(({ length }) => length));
      const rounds = Array.from({ length: longest }, (_, round) =>
        [...lines.values()].flatMap((line) => line[round] ?? []),
      );
      return rounds.flat();
    },
  };
}
