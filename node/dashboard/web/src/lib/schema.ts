/** A JSON Schema, as far as the node's document uses it. */
export interface Schema {
  $ref?: string;
  oneOf?: Schema[];
  type?: string | string[];
  description?: string;
  properties?: Record<string, Schema>;
  enum?: string[];
  minimum?: number;
  maximum?: number;
}

export interface Document {
  components: { schemas: Record<string, Schema> };
}

export interface Field {
  path: string[];
  text: string;
  kind: "boolean" | "number" | "text" | "choice" | "json";
  choices?: string[];
  least?: number;
  most?: number;
}

export interface Group {
  name: string;
  text: string;
  fields: Field[];
}

function resolved(document: Document, schema: Schema): Schema {
  const told = schema.description;
  const one = schema.oneOf?.filter((item) => item.type !== "null");
  if (one?.length === 1 && one[0]) return { ...resolved(document, one[0]), ...(told ? { description: told } : {}) };
  const target = schema.$ref && document.components.schemas[schema.$ref.split("/").pop() ?? ""];
  return target ? { ...resolved(document, target), ...(told ? { description: told } : {}) } : schema;
}

function fieldOf(schema: Schema, path: string[]): Field {
  const types = ([] as (string | undefined)[]).concat(schema.type).filter((type) => type !== "null");
  const field = { path, text: schema.description?.replaceAll("\n", " ") ?? "" };
  if (schema.enum) return { ...field, kind: "choice", choices: schema.enum };
  if (types.length === 1 && types[0] === "boolean") return { ...field, kind: "boolean" };
  if (types.length === 1 && (types[0] === "number" || types[0] === "integer")) return { ...field, kind: "number", least: schema.minimum, most: schema.maximum };
  if (types.length === 1 && types[0] === "string") return { ...field, kind: "text" };
  return { ...field, kind: "json" };
}

function walk(document: Document, schema: Schema, path: string[]): Field[] {
  const whole = resolved(document, schema);
  if (!whole.properties) return [fieldOf(whole, path)];
  return Object.entries(whole.properties).flatMap(([name, part]) => walk(document, part, [...path, name]));
}

/** The form of a schema: a group for each object at its top, and for each detector. */
export function form(document: Document, name: string): Group[] {
  const groups: Group[] = [];
  const own: Group = { name: "general", text: "", fields: [] };
  const top = document.components.schemas[name]?.properties ?? {};
  for (const [key, schema] of Object.entries(top)) {
    // Single entities have pages of their own.
    if (key === "entities") continue;
    const whole = resolved(document, schema);
    if (!whole.properties) own.fields.push(fieldOf(whole, [key]));
    else if (key === "detectors") {
      for (const [detector, part] of Object.entries(whole.properties)) {
        groups.push({ name: `${key}.${detector}`, text: resolved(document, part).description ?? "", fields: walk(document, part, [key, detector]) });
      }
    } else groups.push({ name: key, text: whole.description ?? "", fields: walk(document, schema, [key]) });
  }
  return own.fields.length > 0 ? [own, ...groups] : groups;
}

type Tree = Record<string, unknown>;

export function at(tree: unknown, path: string[]): unknown {
  return path.reduce<unknown>((node, key) => (node && typeof node === "object" ? (node as Tree)[key] : undefined), tree);
}

/** Sets a value, or takes it away, and with it every object that is then empty. */
export function set(tree: Tree, path: string[], value: unknown): Tree {
  const [key, ...rest] = path;
  if (key === undefined) return tree;
  const made = { ...tree };
  if (rest.length === 0) {
    if (value === undefined) delete made[key];
    else made[key] = value;
    return made;
  }
  const below = set((made[key] as Tree | undefined) ?? {}, rest, value);
  if (Object.keys(below).length === 0) delete made[key];
  else made[key] = below;
  return made;
}
