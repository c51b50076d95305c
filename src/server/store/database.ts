import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "libsql";
import { InputError } from "../../tensor/index.ts";

export type Db = InstanceType<typeof Database>;

/** Each is run once, in this order; what was released is never changed. */
const MIGRATIONS = [
  `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    settings TEXT NOT NULL,
    model TEXT NOT NULL,
    drawn INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_of TEXT,
    error TEXT,
    idempotency_key TEXT,
    fingerprint TEXT NOT NULL,
    created TEXT NOT NULL,
    started TEXT,
    finished TEXT,
    UNIQUE (client, idempotency_key)
  );
  CREATE INDEX jobs_by_state ON jobs (state, seq);
  CREATE TABLE pictures (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    seed INTEGER NOT NULL,
    model TEXT NOT NULL,
    settings TEXT NOT NULL,
    infotext TEXT NOT NULL,
    score REAL,
    favourite INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    deleted TEXT,
    UNIQUE (job, place)
  );
  CREATE INDEX pictures_listed ON pictures (deleted, seq);
  CREATE VIRTUAL TABLE picture_words USING fts5 (words, tokenize = 'unicode61 remove_diacritics 2');
  CREATE TABLE embeddings (
    picture TEXT NOT NULL,
    clip TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (picture, clip)
  ) WITHOUT ROWID;
  `,
  // Deleted for good, and its file may still be there.
  "ALTER TABLE pictures ADD COLUMN doomed INTEGER NOT NULL DEFAULT 0",
  `
  CREATE TABLE server (id TEXT NOT NULL);
  INSERT INTO server VALUES (lower(hex(randomblob(8))));
  `,
];

/**
 * Opens jobs and gallery of a data folder. A commit is on the disk when it returns (WAL, synchronous FULL); one process alone
 * has it open.
 *
 * @throws InputError where another process has, or the file is damaged or newer than this program
 */
export function openDatabase(folder: string): Db {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "inkling.db");
  let db: Db | undefined;
  try {
    db = new Database(path, { timeout: 0 });
    // The lock of a process that was killed is gone with it.
    db.pragma("locking_mode = EXCLUSIVE");
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    migrate(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw databaseError(error, path, folder);
  }
}

/** What the folder is called by wherever others know of it, for ever. */
export function serverId(db: Db): string {
  return (db.prepare("SELECT id FROM server").get() as { id: string }).id;
}

/** Closes it and lets go of the folder, which now holds jobs and gallery in one file. */
export function closeDatabase(db: Db): void {
  // Statements that were not collected yet would keep the lock; it goes with the WAL.
  db.pragma("journal_mode = DELETE");
  db.pragma("locking_mode = NORMAL");
  db.prepare("SELECT count(*) FROM jobs").get();
  db.close();
}

function migrate(db: Db, path: string): void {
  const { user_version: done } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  if (done > MIGRATIONS.length) throw new InputError(`${path} was written by a newer version of this program.`);
  for (let version = done; version < MIGRATIONS.length; version++) {
    db.transaction(() => {
      db.exec(MIGRATIONS[version]!);
      db.exec(`PRAGMA user_version = ${version + 1}`);
    }).immediate();
  }
}

function databaseError(error: unknown, path: string, folder: string): unknown {
  const { code = "", message } = error as { code?: string; message: string };
  if (error instanceof InputError) return error;
  if (code.startsWith("SQLITE_BUSY")) {
    return new InputError(`Another server has ${folder} open. Stop it, or name another folder with --data.`);
  }
  return new InputError(`${path} cannot be opened: ${message}.`, { cause: error });
}
