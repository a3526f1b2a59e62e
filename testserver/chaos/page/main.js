// Follows logs, records the lines of each replica in order, and compares them with
// what was written.

import { createClient } from "/dist/index.js";

/** The prefix of a mark: a line that shows how far a log has been delivered. */
const markText = "chaos mark ";

/** Returns a line's hash (cyrb53). Only hashes of lines are kept. */
function hashOf(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x9e3779b1);
    b = Math.imul(b ^ c, 0x5f356495);
  }
  const mixed = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  const other = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return 4294967296 * (other & 0x1fffff) + (mixed >>> 0);
}

/** The lines of one replica. */
class Log {
  #hashes = new Float64Array(4096);
  lines = 0;
  mark = 0;

  add(text) {
    if (this.lines === this.#hashes.length) {
      const grown = new Float64Array(2 * this.lines);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.lines++] = hashOf(text);
    if (text.startsWith(markText)) this.mark = Number(text.slice(markText.length));
  }

  get hashes() {
    return this.#hashes.subarray(0, this.lines);
  }
}

/** A stream that is read until it ends. */
class Follower {
  logs = new Map();
  lines = 0;
  states = [];
  gaps = [];
  ended = "";

  constructor(client, { id, filter, tail, heartbeatMs, ...request }) {
    this.id = id;
    this.filter = filter ?? {};
    this.tail = tail;
    const stream = client.streamLogs({
      ...request,
      filter,
      tail,
      heartbeatMs,
      follow: true,
      onState: (state) => this.states.push(state),
      onGap: ({ service, replica, lost }) =>
        this.gaps.push({
          log: `${service}/${replica}`,
          lost,
          at: this.#log(service, replica).lines,
        }),
    });
    this.#read(stream).then(
      () => {
        this.ended = "OK";
      },
      (error) => {
        this.ended = `${error.code}: ${error.message}`;
      },
    );
  }

  async #read(stream) {
    for await (const batch of stream.batches()) {
      for (const { service, replica, message } of batch) this.#log(service, replica).add(message);
      this.lines += batch.length;
    }
  }

  #log(service, replica) {
    const name = `${service}/${replica}`;
    let log = this.logs.get(name);
    if (!log) {
      log = new Log();
      this.logs.set(name, log);
    }
    return log;
  }

  selects({ service, replica }) {
    const { name, replicas } = this.filter;
    return (!name || name === service) && (!replicas?.length || replicas.includes(replica));
  }
}

/**
 * Compares received and written lines. Counts lines that were lost, doubled, received
 * but never written (strange), and in the wrong place (moved).
 */
function differ(got, want, text) {
  const faults = { lost: 0, doubled: 0, strange: 0, moved: 0 };
  let at = 0;
  while (at < got.length && at < want.length && got[at] === want[at]) at++;
  if (at === got.length && at === want.length) return faults;
  const balance = new Map();
  for (const line of want) balance.set(line, (balance.get(line) ?? 0) + 1);
  const written = new Set(balance.keys());
  for (const line of got) balance.set(line, (balance.get(line) ?? 0) - 1);
  for (const [line, n] of balance) {
    if (n > 0) faults.lost += n;
    else if (written.has(line)) faults.doubled -= n;
    else faults.strange -= n;
  }
  if (!faults.lost && !faults.doubled && !faults.strange) {
    for (let i = at; i < got.length; i++) if (got[i] !== want[i]) faults.moved++;
  }
  // Details for debugging.
  const seen = new Set(got);
  const missing = text.filter((_, i) => !seen.has(want[i]));
  return { ...faults, at, expected: text[at], first: missing[0], last: missing.at(-1) };
}

const followers = [];
let client;

globalThis.chaos = {
  async open(options) {
    client = await createClient(options);
  },

  /** Follows logs; see Follower. */
  follow(requests) {
    for (const request of requests) followers.push(new Follower(client, request));
  },

  /**
   * Returns the progress of all streams, and which have not received a mark in every log.
   */
  progress(logs, mark) {
    const behind = followers.filter((f) =>
      logs.some(
        (log) =>
          f.selects(log) && !((f.logs.get(`${log.service}/${log.replica}`)?.mark ?? 0) >= mark),
      ),
    );
    return {
      lines: followers.reduce((sum, { lines }) => sum + lines, 0),
      gaps: followers.reduce((sum, { gaps }) => sum + gaps.length, 0),
      ended: followers.filter(({ ended }) => ended).map(({ id, ended }) => `${id}: ${ended}`),
      behind: behind.map(({ id, lines, states }) => ({ id, lines, states: states.slice(-3) })),
    };
  },

  /**
   * Compares received and written lines. A stream that requested the last lines only
   * starts with them if the provider supports that, which tailed says. first and
   * last are the numbers of lines at the earliest and the latest time that the
   * stream may have started.
   */
  async compare(control, logs, tailed) {
    const written = new Map();
    for (const { service, replica } of logs) {
      const answer = await fetch(`${control}/log?service=${service}&replica=${replica}`);
      const lines = (await answer.text()).split("\n").slice(0, -1);
      written.set(`${service}/${replica}`, { lines, hashes: Float64Array.from(lines, hashOf) });
    }
    const sum = { lines: 0, lost: 0, doubled: 0, strange: 0, moved: 0, gaps: 0 };
    const details = [];
    for (const follower of followers) {
      sum.gaps += follower.gaps.length;
      const wrong = follower.gaps.map((gap) => ({ gap }));
      for (const log of logs.filter((log) => follower.selects(log))) {
        const name = `${log.service}/${log.replica}`;
        const got = follower.logs.get(name)?.hashes ?? new Float64Array();
        const { lines, hashes } = written.get(name);
        let start = 0;
        if (tailed && follower.tail !== undefined) {
          const [low, high] = [log.first, log.last].map((n) => Math.max(0, n - follower.tail));
          start = Math.min(Math.max(hashes.length - got.length, low), high);
        }
        const want = hashes.subarray(start);
        sum.lines += want.length;
        const faults = differ(got, want, lines.slice(start));
        for (const kind of ["lost", "doubled", "strange", "moved"]) sum[kind] += faults[kind];
        if (faults.at !== undefined)
          wrong.push({ log: name, got: got.length, want: want.length, ...faults });
      }
      for (const name of follower.logs.keys()) {
        if (
          !logs.some((log) => `${log.service}/${log.replica}` === name && follower.selects(log))
        ) {
          sum.strange += follower.logs.get(name).lines;
          wrong.push({ log: name, got: follower.logs.get(name).lines, want: 0 });
        }
      }
      if (wrong.length || follower.ended) {
        const { id, filter, tail, states, ended } = follower;
        details.push({ id, filter, tail, connections: states.length, ended, wrong });
      }
    }
    return { ...sum, details };
  },
};
