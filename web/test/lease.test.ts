import assert from "node:assert/strict";
import { test } from "vitest";
import { commandOf } from "../src/lease/command.js";
import { keep, maxEvents, restarts, type SeenEvent, serviceOf } from "../src/lease/events.js";
import { JsonError, readJson } from "../src/lease/json.js";
import { check, lineOfRefusal } from "../src/lease/manifest.js";
import { containerOf } from "../src/lease/PickReplica.js";
import { nameOf } from "../src/lease/save.js";
import { openable } from "../src/lease/uri.js";

test("only addresses of the web are opened", () => {
  assert.equal(openable("web.provider.example"), "http://web.provider.example/");
  assert.equal(openable("web.example:8080/a?b"), "http://web.example:8080/a?b");
  assert.equal(openable("https://web.example/x"), "https://web.example/x");
  for (const bad of [
    "javascript:alert(1)",
    "javascript://x.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "ftp://web.example",
    "user:secret@web.example",
    "https://bank.example@evil.example",
    "",
    "http://",
    "a b",
  ]) {
    assert.equal(openable(bad), undefined, bad);
  }
});

const event = (name: string, reason = "Started") => ({
  type: "Normal" as const,
  reason,
  note: "",
  object: { kind: "Pod", namespace: "", name },
  reportingController: "",
  reportingInstance: "",
});
const at = new Date(0);

test("an event belongs to the service with the longest name that begins its object's", () => {
  const services = ["web", "web-api", "db"];
  assert.equal(serviceOf(event("web-7f8b9c6d5-x2x9p"), services), "web");
  assert.equal(serviceOf(event("web-api-7f8b9c6d5-x2x9p"), services), "web-api");
  assert.equal(serviceOf(event("db"), services), "db");
  assert.equal(serviceOf(event("website-1"), services), undefined);
  assert.equal(serviceOf({ ...event(""), object: undefined } as never, services), undefined);
});

test("restarts are the starts of a pod after its first one", () => {
  let seen: SeenEvent[] = [];
  seen = keep(seen, [event("web-1-a"), event("web-1-b"), event("web-1-a", "Killing")], at);
  assert.deepEqual([...restarts(seen, ["web", "db"])], [["web", 0]]);
  seen = keep(seen, [event("web-1-a"), event("web-1-a")], at);
  assert.deepEqual([...restarts(seen, ["web", "db"])], [["web", 2]]);
});

test("the newest events are kept, and each has a number of its own", () => {
  let seen: SeenEvent[] = [];
  for (let n = 0; n < maxEvents + 5; n++) seen = keep(seen, [event(`${n}`)], at);
  assert.equal(seen.length, maxEvents);
  assert.equal(seen[0]?.event.object?.name, "5");
  assert.equal(new Set(seen.map(({ id }) => id)).size, maxEvents);
});

test("JSON is read as JSON.parse does, with the line of each value", () => {
  const text = '{\n "a": [1, -2.5e3,\n  {"b": "x\\u00e9\\n"}],\n "__proto__": null, "c": true\n}\n';
  const { value, lineOf } = readJson(text);
  assert.deepEqual(value, JSON.parse(text));
  assert.equal(lineOf([]), 1);
  assert.equal(lineOf(["a", 1]), 2);
  assert.equal(lineOf(["a", 2, "b"]), 3);
  assert.equal(lineOf(["a", 2, "missing"]), 3);
  assert.equal(lineOf(["c"]), 4);
});

test.each([
  ["", 1, 1],
  ["{", 1, 2],
  ["[1,\n]", 2, 1],
  ['{"a" 1}', 1, 6],
  ['{"a": 1,\n b: 2}', 2, 2],
  ['["a]', 1, 2],
  ['["\\x"]', 1, 2],
  ["[01]", 1, 3],
  ["[] x", 1, 4],
  ["\n\n[tru]", 3, 2],
])("%j is wrong at line %i, column %i", (text, line, column) => {
  assert.throws(
    () => readJson(text),
    (error) => error instanceof JsonError && error.line === line && error.column === column,
  );
  assert.throws(() => JSON.parse(text));
});

test("deep nesting is refused before it exhausts the page", () => {
  assert.throws(() => readJson("[".repeat(100_000)), JsonError);
});

const manifest = () => [
  {
    name: "dcloud",
    services: [
      {
        name: "web",
        image: "nginx",
        command: null,
        args: null,
        env: ["A=b"],
        resources: {},
        count: 2,
        expose: [{ port: 80, proto: "TCP", hosts: ["www.example.com"] }],
      },
    ],
  },
];

const print = (value: unknown) => JSON.stringify(value, null, 1);

// biome-ignore lint/suspicious/noExplicitAny: a manifest that is wrong has any type
type Loose = any;

/** Returns the problems of a manifest after a change. */
function problemsOf(change: (m: Loose) => unknown): { line: string | undefined; text: string }[] {
  const changed = manifest();
  const text = print(change(changed) ?? changed);
  const lines = text.split("\n");
  return check(text).map(({ line, text }) => ({ line: lines[line - 1]?.trim(), text }));
}

test("a manifest that can be sent has no problems", () => {
  assert.deepEqual(
    problemsOf(() => undefined),
    [],
  );
});

test.each([
  ["no list", () => ({}), "{}", /list of groups/],
  ["no groups", () => [], "[]", /list of groups/],
  [
    "a group without services",
    (m: Loose) => {
      m[0].services = [];
    },
    '"services": []',
    /dcloud/,
  ],
  [
    "no name",
    (m: Loose) => {
      delete m[0].services[0].name;
    },
    "{",
    /needs a name/,
  ],
  [
    "no image",
    (m: Loose) => {
      m[0].services[0].image = "";
    },
    '"image": "",',
    /web needs an image/,
  ],
  [
    "a count of 0",
    (m: Loose) => {
      m[0].services[0].count = 0;
    },
    '"count": 0,',
    /at least 1/,
  ],
  [
    "env with numbers",
    (m: Loose) => {
      m[0].services[0].env = [1];
    },
    '"env": [',
    /env must be/,
  ],
  [
    "a port 0",
    (m: Loose) => {
      m[0].services[0].expose[0].port = 0;
    },
    '"port": 0,',
    /1 to 65535/,
  ],
  [
    "another protocol",
    (m: Loose) => {
      m[0].services[0].expose[0].proto = "HTTP";
    },
    '"proto": "HTTP",',
    /TCP or UDP/,
  ],
])("%s is a problem of its line", (_, change, line, text) => {
  const problems = problemsOf(change);
  assert.equal(problems.length, 1, JSON.stringify(problems));
  assert.equal(problems[0]?.line, line);
  assert.match(problems[0]?.text ?? "", text);
});

test("two services of one name are a problem of the second", () => {
  const [problem] = problemsOf((m) => {
    m[0].services.push({ ...m[0].services[0] });
  });
  assert.match(problem?.text ?? "", /two services web/);
});

test("what is no JSON is a problem of the place where it ends", () => {
  const [problem] = check('[\n {"name": dcloud}]');
  assert.equal(problem?.line, 2);
  assert.match(problem?.text ?? "", /column 11/);
});

test("a refusal is about the line with the name that it has last", () => {
  const text = print(manifest());
  const line = (message: string) => {
    const n = lineOfRefusal(message, text);
    return n === undefined ? undefined : text.split("\n")[n - 1]?.trim();
  };
  assert.equal(line("hostname not allowed: www.example.com"), '"www.example.com"');
  assert.equal(line("group dcloud: service web: image missing"), '"name": "web",');
  assert.equal(line('group "dcloud" contains no services'), '"name": "dcloud",');
  assert.equal(line('service "web": bad.'), '"name": "web",');
  assert.equal(line("service web."), '"name": "web",');
  assert.equal(line("manifest version validation failed"), undefined);
  assert.equal(line("webhooks and web.example are other words"), undefined);
});

test.each([
  ["", ["sh"]],
  [" bash  -l ", ["bash", "-l"]],
  ["/app/tool --level=3 a,b", ["/app/tool", "--level=3", "a,b"]],
  ["ls *.txt", ["sh", "-c", "ls *.txt"]],
  ["echo $HOME", ["sh", "-c", "echo $HOME"]],
  ["A=1 env", ["sh", "-c", "A=1 env"]],
  ["a 'b c'", ["sh", "-c", "a 'b c'"]],
  ["a; b", ["sh", "-c", "a; b"]],
])("the command %j is %j", (typed, command) => {
  assert.deepEqual(commandOf(typed), command);
});

test("the container is the chosen one while it is there, or else the first", () => {
  const services = [
    { name: "web", status: { total: 2 } },
    { name: "db", status: { total: 1 } },
  ] as never;
  assert.deepEqual(containerOf(services, undefined), { service: "web", replica: 0 });
  assert.deepEqual(containerOf(services, { service: "web", replica: 1 }), {
    service: "web",
    replica: 1,
  });
  assert.deepEqual(containerOf(services, { service: "db", replica: 1 }), {
    service: "db",
    replica: 0,
  });
  assert.deepEqual(containerOf(services, { service: "gone", replica: 0 }), {
    service: "web",
    replica: 0,
  });
  assert.equal(containerOf([], { service: "web", replica: 0 }), undefined);
  assert.deepEqual(containerOf(undefined, { service: "web", replica: 3 }), {
    service: "web",
    replica: 3,
  });
  assert.equal(containerOf(undefined, undefined), undefined);
});

test("a download is named after its path", () => {
  assert.equal(nameOf("/var/log/app.log", false), "app.log");
  assert.equal(nameOf("/data/", true), "data.tar");
  assert.equal(nameOf("/", true), "files.tar");
  assert.equal(nameOf("..", true), "files.tar");
});
