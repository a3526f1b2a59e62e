import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const files = [
  "options",
  "client",
  "react/context",
  "react/logs",
  "react/status",
  "testing/provider",
  "chain-sdk/index",
];

/** Every optional member of the options, with its doc comment. */
function* options(file: string) {
  const source = readFileSync(new URL(`../../src/${file}.ts`, import.meta.url), "utf8");
  const declarations =
    /^export (?:interface|type) (\w*Options?|LeaseId|ServiceFilter)\b(.*?)^(?:}|\s*\);)/gms;
  for (const [, name = "", body = ""] of source.matchAll(declarations)) {
    for (const [, comment = "", member = ""] of body.matchAll(
      /^ {2}(?:\/\*\*(.*?)\*\/\n {2})?(\w+)\?: (?!never)/gms,
    )) {
      yield { name: `${name}.${member}`, comment };
    }
  }
}

test("every option's doc comment has its default and an example", () => {
  const all = files.flatMap((file) => [...options(file)]);
  expect(all.length).toBeGreaterThan(40);
  for (const { name, comment } of all) {
    expect(comment, name).toMatch(/Default:/);
    expect(comment, name).toMatch(/@example \S/);
  }
});
