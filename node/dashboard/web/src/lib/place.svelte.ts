import { link, read, type Place } from "./route";

class Here {
  place = $state<Place>(read(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.place = read(location.hash)));
  }

  /** Changes the query in place, without a step in the history. */
  refine(query: Record<string, string | undefined>): void {
    history.replaceState(null, "", link(this.place.parts, query));
    this.place = read(location.hash);
  }
}

export const here = new Here();
