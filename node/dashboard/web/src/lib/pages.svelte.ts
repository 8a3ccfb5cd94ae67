import { Failure } from "./request";

export interface Page<T> {
  items: T[];
  next?: string | null;
}

/** A listing that is read page by page, as far as somebody scrolls. */
export class Pages<T> {
  items = $state.raw<T[]>([]);
  next = $state<string | null>();
  error = $state<Failure>();
  isLoading = $state(true);
  #ask: (cursor: string | undefined) => Promise<Page<T>>;
  #run = 0;

  constructor(ask: (cursor: string | undefined) => Promise<Page<T>>) {
    this.#ask = ask;
    $effect(() => void this.#read(undefined));
  }

  again(): Promise<void> {
    return this.#read(undefined);
  }

  async more(): Promise<void> {
    if (this.next && !this.isLoading) await this.#read(this.next);
  }

  async #read(cursor: string | undefined): Promise<void> {
    const run = (this.#run += 1);
    const asked = this.#ask(cursor);
    this.isLoading = true;
    try {
      const page = await asked;
      // An answer to an older question is dropped.
      if (run !== this.#run) return;
      this.items = cursor ? this.items.concat(page.items) : page.items;
      [this.next, this.error] = [page.next, undefined];
    } catch (error) {
      if (run !== this.#run) return;
      this.error = error instanceof Failure ? error : new Failure(0, { detail: String(error) });
    }
    this.isLoading = false;
  }
}
