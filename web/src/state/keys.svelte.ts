import { untrack } from "svelte";
import type { MessageKey } from "../i18n/i18n.ts";

export interface Shortcut {
  /** "ctrl+enter", "escape", "/", "?", "d": the event's key, in lower case; `ctrl` is the command key of a Mac as well. */
  readonly key: string;
  readonly label: MessageKey;
  run(): void;
  /** Whether it means anything now; where not, the key is the browser's. */
  when?(): boolean;
}

/** What keys do at the moment. A component adds its own while it is there; of two with one key the later wins. */
export class Keys {
  list = $state.raw<readonly Shortcut[]>([]);
  /** Keys without ctrl can be switched off: dictation types them by mistake (WCAG 2.1.4). */
  single = $state(true);
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
    this.single = storage.getItem("single-keys") !== "off";
  }

  setSingle(on: boolean): void {
    this.single = on;
    if (on) this.#storage.removeItem("single-keys");
    else this.#storage.setItem("single-keys", "off");
  }

  /** Gives what takes them away again: what an effect returns. */
  add(...shortcuts: readonly Shortcut[]): () => void {
    // An effect that adds keys does not depend on those of others.
    this.list = [...untrack(() => this.list), ...shortcuts];
    return () => {
      this.list = untrack(() => this.list).filter((each) => !shortcuts.includes(each));
    };
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const ctrl = event.ctrlKey || event.metaKey;
    const key = `${ctrl ? "ctrl+" : ""}${event.key.toLowerCase()}`;
    // What lies above the page has keys of its own, and closes itself by Escape.
    if (document.querySelector("dialog[open], [popover]:popover-open")) return;
    if (!ctrl && key !== "escape" && (!this.single || types(event.target))) return;
    const shortcut = this.list.findLast((each) => each.key === key && (each.when?.() ?? true));
    if (!shortcut) return;
    event.preventDefault();
    shortcut.run();
  }
}

/** Whether keys are letters there. */
function types(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])"))
  );
}
