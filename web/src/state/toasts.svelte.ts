export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: "note" | "error";
  readonly action?: { readonly label: string; run(): void };
}

/** Errors stay until they are closed; the rest goes after this many milliseconds. */
const STAY = 8000;

/** Short messages at the edge of the page. */
export class Toasts {
  list = $state<Toast[]>([]);
  #next = 0;

  note(text: string, action?: Toast["action"]): void {
    const toast = this.#add({ text, kind: "note", ...(action && { action }) });
    setTimeout(() => this.close(toast.id), STAY);
  }

  /** Says what went wrong; what was aborted on purpose is nothing to tell. */
  error(error: unknown): void {
    if (error instanceof Error && error.name === "AbortError") return;
    const text = error instanceof Error ? error.message : String(error);
    if (this.list.some((toast) => toast.kind === "error" && toast.text === text)) return;
    this.#add({ text, kind: "error" });
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  #add(toast: Omit<Toast, "id">): Toast {
    const added = { ...toast, id: this.#next++ };
    this.list = [...this.list.slice(-3), added];
    return added;
  }
}
