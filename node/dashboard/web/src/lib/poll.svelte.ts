import { Failure } from "./request";

/** Something asked for again and again while its page is looked at. */
export class Poll<T> {
  data = $state<T>();
  error = $state<Failure>();
  isLoading = $state(true);
  #ask: (signal: AbortSignal) => Promise<T>;
  #every: number;
  #running: AbortController | undefined;

  constructor(ask: (signal: AbortSignal) => Promise<T>, everyMs = 0) {
    this.#ask = ask;
    this.#every = everyMs;
    $effect(() => {
      this.again();
      const timer = everyMs > 0 ? setInterval(() => document.hidden || this.again(), everyMs) : 0;
      return () => {
        clearInterval(timer);
        this.#running?.abort();
      };
    });
  }

  get isLive(): boolean {
    return this.#every > 0;
  }

  async again(): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    try {
      const data = await this.#ask(running.signal);
      if (running.signal.aborted) return;
      [this.data, this.error] = [data, undefined];
    } catch (error) {
      if (running.signal.aborted) return;
      this.error = error instanceof Failure ? error : new Failure(0, { detail: String(error) });
    }
    this.isLoading = false;
  }
}
