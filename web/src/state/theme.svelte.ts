export type ThemeChoice = "system" | "light" | "dark";

/** Dark, light, or as the system has it; kept in this browser. */
export class Theme {
  choice = $state<ThemeChoice>("system");
  readonly #root: HTMLElement;
  readonly #storage: Storage;

  constructor(root: HTMLElement, storage: Storage) {
    this.#root = root;
    this.#storage = storage;
    const kept = storage.getItem("theme");
    if (kept === "light" || kept === "dark") this.#set(kept);
  }

  /** The other of what is seen now; back to the system's where that is it. */
  flip(): void {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const other = (this.choice === "system" ? system : this.choice) === "dark" ? "light" : "dark";
    this.#set(other === system ? "system" : other);
  }

  #set(choice: ThemeChoice): void {
    this.choice = choice;
    if (choice === "system") {
      delete this.#root.dataset["theme"];
      this.#storage.removeItem("theme");
    } else {
      this.#root.dataset["theme"] = choice;
      this.#storage.setItem("theme", choice);
    }
  }
}
