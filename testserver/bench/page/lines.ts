import type { ServiceLogs } from "../gen/akash/provider/lease/v1/service_pb.ts";
import type { Tally } from "./source.ts";

/**
 * Splits the pieces of log that a peer's client delivers into lines, as applications
 * must: a piece has any number of lines and may end within a line or a character.
 */
export class Lines {
  readonly #replicas = new Map<string, { decoder: TextDecoder; rest: string }>();

  take({ name, replica, logs }: ServiceLogs, tally: Tally): void {
    const key = `${name}/${replica}`;
    let state = this.#replicas.get(key);
    if (!state) {
      state = { decoder: new TextDecoder("utf-8", { ignoreBOM: true }), rest: "" };
      this.#replicas.set(key, state);
    }
    const text = state.decoder.decode(logs, { stream: true });
    let start = 0;
    for (;;) {
      const end = text.indexOf("\n", start);
      if (end < 0) break;
      const message = state.rest + text.slice(start, end);
      state.rest = "";
      tally.add({ service: name, replica, message });
      start = end + 1;
    }
    if (start < text.length) state.rest += text.slice(start);
  }
}
