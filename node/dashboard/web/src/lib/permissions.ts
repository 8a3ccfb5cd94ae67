/** The resources of permissions such as `events:read`, each once, in order. */
export function grid(permissions: string[]): string[] {
  return [...new Set(permissions.map((permission) => permission.split(":")[0] ?? ""))].filter((name) => name !== "");
}

/** Permissions in short: `events: read, write`. */
export function brief(permissions: string[]): string {
  const of = (resource: string) => permissions.filter((item) => item.startsWith(`${resource}:`)).map((item) => item.slice(resource.length + 1));
  return grid(permissions).map((resource) => `${resource}: ${of(resource).length === 4 ? "all" : of(resource).join(", ")}`).join(" · ");
}
