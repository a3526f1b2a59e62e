// Checks a manifest before it is sent, and finds the place in it that a refusal is about.
// A provider's JSON form of manifests: proto/akash-provider-api.md, section 2.5.

import { manifest as t } from "../text/en.js";
import { JsonError, type JsonPath, readJson } from "./json.js";

/** Something that is wrong on a line of a manifest. */
export interface Problem {
  readonly line: number;
  readonly text: string;
}

/** How large a manifest may be, in bytes: the bridge takes no more. */
const maxSize = 1 << 20;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns what is wrong with a manifest. An empty list says that it may be sent. */
export function check(text: string): Problem[] {
  if (new TextEncoder().encode(text).length > maxSize) return [{ line: 1, text: t.tooLarge }];
  const problems: Problem[] = [];
  try {
    const { value, lineOf } = readJson(text);
    checkGroups(value, (path, text) => problems.push({ line: lineOf(path), text }));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return [{ line: error.line, text: t.syntax(error.column, error.expected) }];
  }
  return problems;
}

/** Returns a manifest with every value on a line of its own; undefined for what is no JSON. */
export function format(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return undefined;
  }
}

type Tell = (path: JsonPath, text: string) => void;

function checkGroups(groups: unknown, tell: Tell): void {
  if (!Array.isArray(groups) || groups.length === 0) {
    tell([], t.noGroups);
    return;
  }
  for (const [i, group] of groups.entries()) {
    if (!isObject(group)) tell([i], t.notObject(t.group));
    else if (!isName(group.name)) tell([i, "name"], t.noName(t.group));
    else if (!Array.isArray(group.services) || group.services.length === 0)
      tell([i, "services"], t.noServices(String(group.name)));
    else checkServices(group.services, [i, "services"], tell);
  }
}

function checkServices(services: unknown[], path: JsonPath, tell: Tell): void {
  const names = new Set<unknown>();
  for (const [i, service] of services.entries()) {
    const at = [...path, i];
    if (!isObject(service)) {
      tell(at, t.notObject(t.service));
      continue;
    }
    const { name, image, count, expose, resources } = service;
    if (!isName(name)) tell([...at, "name"], t.noName(t.service));
    else if (names.has(name)) tell([...at, "name"], t.twice(String(name)));
    names.add(name);
    if (!isName(image)) tell([...at, "image"], t.noImage(String(name)));
    if (!isCount(count)) tell([...at, "count"], t.noCount(String(name)));
    if (!isObject(resources)) tell([...at, "resources"], t.noResources(String(name)));
    for (const list of ["command", "args", "env"]) {
      const items = service[list] ?? [];
      if (!Array.isArray(items) || items.some((item) => typeof item !== "string"))
        tell([...at, list], t.noTexts(list));
    }
    if (expose !== undefined && expose !== null && !Array.isArray(expose)) {
      tell([...at, "expose"], t.noExpose);
      continue;
    }
    for (const [j, one] of ((expose ?? []) as unknown[]).entries()) {
      const port = [...at, "expose", j];
      if (!isObject(one)) tell(port, t.notObject("expose"));
      else if (!isPort(one.port)) tell([...port, "port"], t.noPort);
      else if (one.proto !== "TCP" && one.proto !== "UDP") tell([...port, "proto"], t.noProto);
    }
  }
}

const isName = (value: unknown) => typeof value === "string" && value.trim() !== "";
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;
const isPort = (value: unknown) => isCount(value) && (value as number) <= 65_535;

/**
 * Returns the line of a manifest that a provider's refusal is about: that of the name which
 * the message has last, such as the service in "group dcloud: service web: …". Returns
 * undefined if it names nothing that is there.
 */
export function lineOfRefusal(message: string, text: string): number | undefined {
  let best: { line: number; at: number } | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    for (const [, name = ""] of line.matchAll(/"([^"\\]{2,253})"/g)) {
      const at = keys.has(name) ? -1 : lastWord(message, name);
      if (at >= 0 && (!best || at > best.at)) best = { line: i + 1, at };
    }
  }
  return best?.line;
}

/** Words that a message may have without being about the place where a manifest has them. */
const keys = new Set(
  "name services service group image command args env resources count expose port hosts proto TCP UDP ip cpu gpu memory storage endpoints manifest error timeout".split(
    " ",
  ),
);

/** Returns where a message has a word for the last time, or -1. */
function lastWord(message: string, word: string): number {
  const edge = (c = "") => !/[\w.-]/.test(c);
  let found = -1;
  for (let at = message.indexOf(word); at >= 0; at = message.indexOf(word, at + 1)) {
    const after = message.slice(at + word.length);
    // A full stop ends a sentence, unless a name goes on after it.
    if (edge(message[at - 1]) && (edge(after[0]) || /^\.(\s|$)/.test(after))) found = at;
  }
  return found;
}
