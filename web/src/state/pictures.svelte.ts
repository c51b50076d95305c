import { SvelteMap, SvelteSet } from "svelte/reactivity";
import type { GalleryItem } from "../../../src/server/schema/index.ts";
import type { Api } from "../api/api.ts";

type Change = Pick<GalleryItem, "favourite" | "deleted">;

/** What this page has changed about pictures, whatever list they stand in; and those that were drawn last. */
export class Pictures {
  recent = $state.raw<readonly GalleryItem[]>([]);
  readonly #api: Api;
  readonly #destroyed = new SvelteSet<string>();
  readonly #changes = new SvelteMap<string, Change>();

  constructor(api: Api) {
    this.#api = api;
  }

  async loadRecent(limit: number): Promise<void> {
    this.recent = (await this.#api.pictures({ limit })).pictures;
  }

  isFavourite(picture: GalleryItem): boolean {
    return this.#now(picture).favourite;
  }

  isDeleted(picture: GalleryItem): boolean {
    return this.#now(picture).deleted !== null;
  }

  async toggleFavourite(picture: GalleryItem): Promise<void> {
    const before = this.#now(picture);
    // Seen at once; taken back where the server does not agree.
    this.#changes.set(picture.id, { ...before, favourite: !before.favourite });
    try {
      await this.#api.favourite(picture.id, !before.favourite);
    } catch (error) {
      this.#changes.set(picture.id, before);
      throw error;
    }
  }

  async remove(picture: GalleryItem): Promise<void> {
    await this.#api.remove(picture.id);
    this.#changes.set(picture.id, { ...this.#now(picture), deleted: new Date().toISOString() });
  }

  /** For good, out of the bin. */
  async destroy(picture: GalleryItem): Promise<void> {
    await this.#api.destroy(picture.id);
    this.#destroyed.add(picture.id);
  }

  isDestroyed(picture: GalleryItem): boolean {
    return this.#destroyed.has(picture.id);
  }

  async restore(picture: GalleryItem): Promise<void> {
    await this.#api.restore(picture.id);
    this.#changes.set(picture.id, { ...this.#now(picture), deleted: null });
  }

  #now(picture: GalleryItem): Change {
    return this.#changes.get(picture.id) ?? picture;
  }
}
