import { get, onLost, post, remove } from "./request";
import type { SessionList, Whoami } from "./types";

/** Who is here: unknown at first, nobody, or somebody. */
class Session {
  who = $state<Whoami | null | undefined>(undefined);
  notice = $state("");

  get name(): string {
    return this.who?.name ?? (this.who?.kind === "anybody" ? "anybody" : (this.who?.id ?? ""));
  }

  may(permission: string): boolean {
    // Where nobody is asked who they are, everybody may do everything.
    if (this.who?.kind === "anybody") return true;
    return this.who?.permissions.includes(permission) ?? false;
  }

  async look(): Promise<void> {
    try {
      this.who = await get<Whoami>("/api/v1/whoami");
    } catch {
      this.who = null;
    }
  }

  async begin(user: string, password: string, tenant: string, operator: boolean): Promise<void> {
    const asked = { user, password, cookie: true, ...(operator ? { operator } : { tenant: tenant || undefined }) };
    await post("/api/v1/sessions", asked);
    this.notice = "";
    await this.look();
    if (!this.who) {
      this.notice = "Your browser did not keep the session's cookie. It keeps it on https and on localhost only.";
    }
  }

  async end(): Promise<void> {
    const { items } = await get<SessionList>("/api/v1/sessions");
    const own = items.find((item) => item.is_this);
    if (own) await remove(`/api/v1/sessions/${own.id}`);
    this.who = null;
  }
}

export const session = new Session();
onLost(() => {
  if (session.who) session.notice = "Your session is over. Log in again to go on where you were.";
  session.who = null;
});
