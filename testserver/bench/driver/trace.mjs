// Traces visits of pages: what the browser's threads spend CPU time on until the first
// status.

import { setTimeout as sleep } from "node:timers/promises";

/** Chromium's categories of events about loading and compiling. */
const includedCategories = [
  "v8",
  "v8.wasm",
  "devtools.timeline",
  "loading",
  "disabled-by-default-v8.compile",
  "disabled-by-default-v8.wasm.detailed",
];

/** What events are counted as; all others are "rest". */
const phases = {
  "compile functions of the module":
    /^wasm\.(CompileLazy|CompileBaseline|AddCompiledCode|.*Compilation(Units)?$)/,
  "take in and instantiate the module": /^wasm\.|^BackgroundProcessor/,
  "parse and compile scripts":
    /^(V8\.(Parse|PreParse|Compile)|v8\.(compile|parse)|BackgroundCompileTask)/,
  "run scripts":
    /^(v8\.(evaluateModule|run|callFunction)|EvaluateScript|FunctionCall|RunMicrotasks)/,
};

/**
 * Opens a page and returns its thread time until shortly after the first status, in
 * milliseconds by phase, of the main thread and of all others of its process, and how many
 * functions of the module the main thread compiled. The page stays open for some time.
 */
export async function traceVisit(context, url, { cached, stay = 0 }) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  if (!cached) await session.send("Network.clearBrowserCache");
  const events = [];
  session.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await session.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories },
  });
  const first = page.waitForEvent("console", (message) => message.text().startsWith("first "));
  await page.goto(url, { waitUntil: "commit" });
  await first;
  const complete = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve));
  await session.send("Tracing.end");
  await complete;
  await sleep(stay);
  await page.close();
  return summarize(events);
}

function summarize(events) {
  const { pid, tid: main } = events.find(({ name }) => name === "EvaluateScript") ?? {};
  const threads = groupBy(
    events.filter((event) => event.pid === pid && event.ph === "X"),
    ({ tid }) => tid,
  );
  const result = { main: {}, others: {}, functions: 0 };
  for (const [tid, list] of threads) {
    const times = result[tid === main ? "main" : "others"];
    list.sort((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0));
    const open = [];
    for (const event of list) {
      while (open.length > 0 && end(open.at(-1)) <= event.ts) open.pop();
      add(times, phaseOf(event), event.tdur ?? 0);
      // The time of an event is not also that of the one around it.
      if (open.length > 0) add(times, phaseOf(open.at(-1)), -(event.tdur ?? 0));
      open.push(event);
      if (tid === main && event.name === "wasm.CompileLazy") result.functions++;
    }
  }
  return result;
}

const end = ({ ts, dur = 0 }) => ts + dur;

const phaseOf = ({ name }) =>
  Object.keys(phases).find((phase) => phases[phase].test(name)) ?? "rest";

function add(times, phase, us) {
  times[phase] = (times[phase] ?? 0) + us / 1000;
  times.all = (times.all ?? 0) + us / 1000;
}

/** The phases in the order of a table. */
export const phaseNames = ["all", ...Object.keys(phases), "rest"];

function groupBy(list, key) {
  const groups = new Map();
  for (const item of list) {
    const of = key(item);
    if (!groups.has(of)) groups.set(of, []);
    groups.get(of).push(item);
  }
  return groups;
}
