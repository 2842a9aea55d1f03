/**
 * What this browser remembers: the login and the visited channels (all tabs), the entered channels and the unsent
 * messages (this tab, also over a reload). Storage may be full, or forbidden: then it is remembered until a reload.
 */

export class Memory {
  #fallback = new Map();

  /** @param {Storage|null} storage  localStorage (shared by tabs) or sessionStorage (this tab's own); null: none */
  constructor(storage) {
    this.storage = storage;
  }

  /** From a property of window; merely reading it throws where storage is forbidden. @param {() => Storage} getter */
  static from(getter) {
    try {
      return new Memory(getter());
    } catch {
      return new Memory(null);
    }
  }

  /** The value under a name, or the default when there is none, or none that can be read. */
  get(name, otherwise = null) {
    try {
      const text = this.storage?.getItem(PREFIX + name) ?? this.#fallback.get(name) ?? null;
      return text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  }

  set(name, value) {
    const text = JSON.stringify(value);
    this.#fallback.set(name, text);
    try {
      this.storage?.setItem(PREFIX + name, text);
    } catch {
      // Full or forbidden: the fallback has it.
    }
  }

  remove(name) {
    this.#fallback.delete(name);
    try {
      this.storage?.removeItem(PREFIX + name);
    } catch {
      // Nothing was stored, then.
    }
  }
}

const PREFIX = "reaktor.";

/** The key under which the browser's `storage` event names a value of ours. @param {string} name */
export function storageKey(name) {
  return PREFIX + name;
}
