// A user's page with a terminal. npm/docs/shell.md shows the same.

import { Terminal } from "@xterm/xterm";
import { StrictMode, useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import type { Shell } from "../../src/index.js";
import { AkashClientProvider, type UseShellOptions, useShell } from "../../src/react/index.js";

/** Connects a terminal with a shell, until the function returned is called. */
function attach(terminal: Terminal, shell: Shell): () => void {
  const keys = shell.stdin.getWriter();
  const typing = terminal.onData((text) => void keys.write(text).catch(() => {}));
  const sizing = terminal.onResize(({ cols, rows }) => shell.resize(cols, rows));
  shell.resize(terminal.cols, terminal.rows);
  const screen = new WritableStream<Uint8Array>({
    // Done when it has been drawn, so that a flood of output waits where it is made.
    write: (bytes) => new Promise((done) => terminal.write(bytes, done)),
  });
  shell.stdout.pipeTo(screen).catch(({ message }) => terminal.write(`\r\n${message}\r\n`));
  return () => {
    typing.dispose();
    sizing.dispose();
  };
}

function ShellView(options: UseShellOptions) {
  const element = useRef<HTMLDivElement>(null);
  const { shell, state, exit, error, restart } = useShell(options);
  useEffect(() => {
    if (!shell || !element.current) return;
    const terminal = new Terminal({ cols: 100, rows: 30 });
    terminal.open(element.current);
    terminal.focus();
    const detach = attach(terminal, shell);
    globalThis.terminal = terminal;
    return () => {
      detach();
      terminal.dispose();
    };
  }, [shell]);
  return (
    <section>
      <div ref={element} />
      <p>
        {state} {exit?.code} {error?.message}
      </p>
      <button type="button" onClick={restart}>
        again
      </button>
    </section>
  );
}

declare global {
  var terminal: Terminal;
  var showShell: (options: UseShellOptions) => void;
  var hideShell: () => void;
}

globalThis.showShell = (options) => {
  const root = createRoot(document.body.appendChild(document.createElement("main")));
  root.render(
    <StrictMode>
      <AkashClientProvider client={() => makeClient()}>
        <ShellView {...options} />
      </AkashClientProvider>
    </StrictMode>,
  );
  globalThis.hideShell = () => root.unmount();
};
