export type Theme = "system" | "light" | "dark";
const KEY = "via-theme";

function stored(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : "system";
  } catch {
    return "system";
  }
}

class Look {
  theme = $state<Theme>(stored());
  /** Counts changes, for what paints with colours it has read. */
  turns = $state(0);

  constructor() {
    this.#show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.turns += 1));
  }

  next(): void {
    this.theme = this.theme === "system" ? "light" : this.theme === "light" ? "dark" : "system";
    this.#show();
    this.turns += 1;
  }

  #show(): void {
    if (this.theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    try {
      localStorage.setItem(KEY, this.theme);
    } catch {
      // Kept for this page only.
    }
  }
}

export const look = new Look();
