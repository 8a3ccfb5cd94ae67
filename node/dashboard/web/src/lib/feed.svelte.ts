import { address } from "./request";
import type { Detection, LiveMessage } from "./types";
import { retryAfter } from "./retry";

export type Told = (detection: Detection, change: string) => void;

/** The node's live feed: comes back by itself, resumes where it was, says what it skipped. */
class Feed {
  state = $state<"off" | "connecting" | "live" | "waiting">("off");
  gaps = $state(0);
  received = $state(0);
  #socket: WebSocket | undefined;
  #cursor = "";
  #attempt = 0;
  #timer = 0;
  #heard = new Set<Told>();
  #missed = new Set<() => void>();

  listen(told: Told, missed: () => void = () => {}): () => void {
    this.#heard.add(told);
    this.#missed.add(missed);
    return () => {
      this.#heard.delete(told);
      this.#missed.delete(missed);
    };
  }

  open(): void {
    if (this.#socket || this.#timer) return;
    this.state = "connecting";
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address(`${scheme}//${location.host}/api/v1/live`, { cursor: this.#cursor }));
    this.#socket = socket;
    socket.onmessage = (event) => this.#take(JSON.parse(String(event.data)) as LiveMessage);
    socket.onclose = () => {
      if (this.#socket === socket) this.#later();
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    [this.#timer, this.#attempt, this.#cursor] = [0, 0, ""];
    this.state = "off";
    socket?.close();
  }

  #take(message: LiveMessage): void {
    this.#cursor = message.cursor;
    if (message.type === "hello") {
      // What came between loading a page and this moment is asked for again.
      [this.state, this.#attempt] = ["live", 0];
      for (const missed of this.#missed) missed();
    } else if (message.type === "gap") {
      this.gaps += 1;
      for (const missed of this.#missed) missed();
    } else {
      this.received += 1;
      for (const told of this.#heard) told(message.detection, message.change);
    }
  }

  #later(): void {
    this.#socket = undefined;
    this.state = "waiting";
    this.#attempt += 1;
    // A cursor that is refused again and again is given up, and said as a gap.
    if (this.#attempt === 4 && this.#cursor) {
      this.#cursor = "";
      this.gaps += 1;
    }
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.open();
    }, retryAfter(this.#attempt, Math.random()));
  }
}

export const feed = new Feed();
