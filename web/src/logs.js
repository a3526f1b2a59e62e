// Follows the logs of a lease: the form, the stream, and the line with its progress.

import { byId } from "./dom.js";
import { count } from "./quantity.js";
import { Viewer } from "./viewer.js";

// How often the progress line is updated, in milliseconds.
const tick = 500;

export class Logs {
  #client;
  #provider;
  #fail;
  #viewer = new Viewer();
  #form = byId("lease");
  #line = byId("logs-line");
  #start = byId("start");
  #stop = byId("stop");
  #services = new Set();
  #abort = null;

  /**
   * client returns a promise of the client. provider returns the address in the
   * page's field. fail shows an error, or removes it.
   */
  constructor({ client, provider, fail }) {
    this.#client = client;
    this.#provider = provider;
    this.#fail = fail;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    this.#stop.addEventListener("click", () => this.stop());
  }

  stop() {
    this.#abort?.abort();
  }

  async #run() {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#fail(null);
    this.#viewer.clear();
    byId("viewer-box").hidden = false;
    this.#line.textContent = "Connecting…";
    this.#stop.disabled = false;
    this.#start.textContent = "Restart";

    const progress = new Progress(this.#line);
    try {
      const client = await this.#client();
      for await (const batch of client
        .streamLogs({ ...this.#request(), signal: abort.signal })
        .batches()) {
        if (abort.signal.aborted) break;
        progress.add(batch.length);
        this.#viewer.push(batch);
        this.#offer(batch);
      }
      progress.end(abort.signal.aborted ? "Stopped" : "End of the log");
    } catch (error) {
      if (abort.signal.aborted) {
        progress.end("Stopped");
      } else {
        progress.end("Failed");
        this.#fail(error);
      }
    } finally {
      progress.stop();
      if (this.#abort === abort) {
        this.#abort = null;
        this.#stop.disabled = true;
        this.#start.textContent = "Start";
      }
    }
  }

  #request() {
    const field = (name) => this.#form.elements[name].value.trim();
    const provider = this.#provider();
    const request = {
      provider,
      lease: {
        owner: field("owner"),
        dseq: field("dseq"),
        gseq: Number(field("gseq")),
        oseq: Number(field("oseq")),
        provider,
      },
      follow: this.#form.elements.follow.checked,
    };
    if (field("service")) request.filter = { name: field("service") };
    if (field("tail")) request.tail = Number(field("tail"));
    if (field("token")) request.auth = { type: "jwt", token: field("token") };
    return request;
  }

  /** Suggests the services seen so far in the filter's field. */
  #offer(batch) {
    for (const { service } of batch) {
      if (this.#services.has(service) || this.#services.size >= 100) continue;
      this.#services.add(service);
      byId("services").append(new Option(service));
    }
  }
}

/** The progress line above the log: state, number of lines and rate. */
class Progress {
  #line;
  #lines = 0;
  #last = 0;
  #then = performance.now();
  #timer;

  constructor(line) {
    this.#line = line;
    this.#timer = setInterval(() => this.#show(), tick);
  }

  add(lines) {
    if (this.#lines === 0) this.#then = performance.now();
    this.#lines += lines;
  }

  end(what) {
    this.stop();
    this.#line.textContent = `${what} · ${count(this.#lines)} ${this.#lines === 1 ? "line" : "lines"}`;
  }

  stop() {
    clearInterval(this.#timer);
  }

  #show() {
    const now = performance.now();
    const rate = ((this.#lines - this.#last) / Math.max(1, now - this.#then)) * 1000;
    this.#last = this.#lines;
    this.#then = now;
    this.#line.textContent =
      this.#lines === 0
        ? "Connected, no lines yet"
        : `${count(this.#lines)} lines · ${count(rate)} a second`;
  }
}
