import type { DrawnSettings } from "../schema/draw.ts";
import type { GalleryItem } from "../schema/gallery.ts";
import type { Db } from "./database.ts";

/** A picture that was drawn, to be kept. */
export interface NewPicture extends Pick<GalleryItem, "job" | "index" | "width" | "height" | "infotext" | "created"> {
  readonly settings: DrawnSettings;
  readonly score?: number;
}

export interface GalleryFilter {
  /** Words that begin as words of the prompt or the settings do; all of them have to. */
  readonly search?: string;
  readonly favourite?: boolean;
  /** What is in the bin, instead of what is not. */
  readonly deleted?: boolean;
}

/** Which pictures there are. Their files are elsewhere, and are there before a row says so. */
export interface GalleryStore {
  /** Keeps it, and that the job has come so far; false where it was kept before. */
  insert(picture: NewPicture): boolean;
  get(id: string): GalleryItem | undefined;
  ofJob(job: string): GalleryItem[];
  /** The newest first. */
  list(query: GalleryFilter & { before?: string; limit: number }): GalleryItem[];
  setFavourite(id: string, favourite: boolean): void;
  /** `when`: null takes it out of the bin. */
  setDeleted(id: string, when: string | null): void;
  /** For nobody to see any more. Its file may be removed then, and after that its row. */
  doom(id: string): void;
  doomed(): string[];
  /** The row of one that is doomed. */
  remove(id: string): void;
  /** Every picture that there is a row for. */
  ids(): Set<string>;
  /** Where a CLIP places pictures, by their ids. */
  embeddings(clip: string): Map<string, Float32Array>;
  setEmbedding(id: string, clip: string, vector: Float32Array): void;
}

interface Row extends Omit<GalleryItem, "index" | "settings" | "favourite" | "score" | "url" | "thumbnail"> {
  readonly seq: number;
  readonly place: number;
  readonly settings: string;
  readonly favourite: number;
  readonly score: number | null;
}

/** What a picture is called by: the same job never has two in one place. */
export const pictureId = (job: string, index: number): string => `${job}-${index}`;

/** The gallery of a database. */
export function createGalleryStore(db: Db): GalleryStore {
  const get = db.prepare("SELECT * FROM pictures WHERE id = ? AND doomed = 0");
  const ofJob = db.prepare("SELECT * FROM pictures WHERE job = ? AND doomed = 0 ORDER BY place");
  const insert = db.prepare(`
    INSERT INTO pictures (id, job, place, width, height, prompt, seed, model, settings, infotext, score, created)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  const addWords = db.prepare("INSERT INTO picture_words (rowid, words) VALUES (?, ?)");
  const drawn = db.prepare("UPDATE jobs SET drawn = max(drawn, ?) WHERE id = ?");
  const list = db.prepare(`
    SELECT * FROM pictures
    WHERE doomed = 0 AND (deleted IS NOT NULL) = ?1 AND (?2 = 0 OR favourite = 1)
      AND (?3 IS NULL OR seq IN (SELECT rowid FROM picture_words WHERE words MATCH ?3))
      AND (?4 IS NULL OR seq < (SELECT seq FROM pictures WHERE id = ?4))
    ORDER BY seq DESC LIMIT ?5`);
  const setFavourite = db.prepare("UPDATE pictures SET favourite = ? WHERE id = ?");
  const setDeleted = db.prepare("UPDATE pictures SET deleted = ? WHERE id = ?");
  const removeWords = db.prepare("DELETE FROM picture_words WHERE rowid = (SELECT seq FROM pictures WHERE id = ?)");
  const removeEmbeddings = db.prepare("DELETE FROM embeddings WHERE picture = ?");
  const doom = db.prepare("UPDATE pictures SET doomed = 1 WHERE id = ?");
  const doomed = db.prepare("SELECT id FROM pictures WHERE doomed = 1");
  const remove = db.prepare("DELETE FROM pictures WHERE id = ? AND doomed = 1");
  const ids = db.prepare("SELECT id FROM pictures");
  const embeddings = db.prepare("SELECT picture, vector FROM embeddings WHERE clip = ?");
  const setEmbedding = db.prepare("INSERT OR REPLACE INTO embeddings (picture, clip, vector) VALUES (?, ?, ?)");
  const all = (rows: unknown[]): GalleryItem[] => rows.map((row) => itemOf(row as Row));

  return {
    insert: db.transaction(({ job, index, width, height, settings, infotext, score, created }: NewPicture) => {
      const id = pictureId(job, index);
      const { prompt, seed, model } = settings;
      const json = JSON.stringify(settings);
      const values = [id, job, index, width, height, prompt, seed, model, json, infotext, score ?? null, created];
      if (insert.run(...values).changes === 0) return false;
      addWords.run((get.get(id) as Row).seq, infotext);
      drawn.run(index + 1, job);
      return true;
    }),
    get(id) {
      const row = get.get(id) as Row | undefined;
      return row && itemOf(row);
    },
    ofJob: (job) => all(ofJob.all(job)),
    list({ search, favourite = false, deleted = false, before = null, limit }) {
      const words = search === undefined ? null : matchOf(search);
      if (words === "") return [];
      return all(list.all(Number(deleted), Number(favourite), words, before, limit));
    },
    setFavourite: (id, favourite) => void setFavourite.run(Number(favourite), id),
    setDeleted: (id, when) => void setDeleted.run(when, id),
    doom: (id) => void doom.run(id),
    doomed: () => (doomed.all() as { id: string }[]).map(({ id }) => id),
    remove: db.transaction((id: string) => {
      removeWords.run(id);
      removeEmbeddings.run(id);
      remove.run(id);
    }),
    ids: () => new Set((ids.all() as { id: string }[]).map(({ id }) => id)),
    embeddings: (clip) =>
      new Map(
        (embeddings.all(clip) as { picture: string; vector: ArrayBuffer }[]).map(({ picture, vector }) => [
          picture,
          new Float32Array(vector),
        ]),
      ),
    setEmbedding: (id, clip, vector) =>
      void setEmbedding.run(id, clip, Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)),
  };
}

/** FTS5's query for words that begin so; whatever else it takes for syntax is none here. "" where there are no words. */
function matchOf(search: string): string {
  const words = search.normalize("NFC").match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.map((word) => `"${word}"*`).join(" ");
}

function itemOf(row: Row): GalleryItem {
  const { id, width, height, job, place, prompt, seed, model, infotext, score, created, deleted } = row;
  return {
    id,
    url: `/api/pictures/${id}`,
    thumbnail: `/api/pictures/${id}/thumbnail`,
    width,
    height,
    job,
    index: place,
    prompt,
    seed,
    model,
    settings: JSON.parse(row.settings),
    infotext,
    ...(score !== null && { score }),
    favourite: row.favourite === 1,
    created,
    deleted,
  };
}
