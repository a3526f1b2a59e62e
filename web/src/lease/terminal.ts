// A terminal for a process. This file has all of the terminal's code, and is loaded when one
// is opened.

import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import type { Shell } from "akash-provider-web";

/** A terminal in the page. */
export interface OpenTerminal {
  /** Shows a process until the function returned is called. */
  attach(shell: Shell): () => void;
  focus(): void;
  dispose(): void;
}

/** Opens a terminal in an element. onLeave is called by the key that leaves it. */
export function openTerminal(element: HTMLElement, onLeave: () => void): OpenTerminal {
  const terminal = new Terminal({
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    screenReaderMode: true,
    fontFamily: getComputedStyle(element).getPropertyValue("--mono") || "monospace",
    fontSize: 14,
    scrollback: 5000,
    theme: { background: "#11141a", foreground: "#e8eaf0" },
  });
  const fitting = new FitAddon();
  terminal.loadAddon(fitting);
  withoutStyleElements(() => terminal.open(element));
  // The terminal takes every key, so that there has to be one that leaves it.
  terminal.attachCustomKeyEventHandler((event) => {
    const leaves = event.key === "F6" && event.ctrlKey;
    if (leaves && event.type === "keydown") onLeave();
    return !leaves;
  });
  const fill = () => {
    if (element.offsetWidth > 0) fitting.fit();
  };
  const resized = new ResizeObserver(fill);
  resized.observe(element);
  fill();
  return {
    attach(shell) {
      terminal.reset();
      const keys = shell.stdin.getWriter();
      const typing = terminal.onData((text) => void keys.write(text).catch(() => {}));
      const sizing = terminal.onResize(({ cols, rows }) => shell.resize(cols, rows));
      shell.resize(terminal.cols, terminal.rows);
      let left = false;
      const screen = new WritableStream<Uint8Array>({
        // Done when it has been drawn, so that a flood of output waits where it is made.
        write: (bytes) => new Promise((done) => terminal.write(bytes, done)),
      });
      shell.stdout
        .pipeTo(screen)
        .catch(({ message }) => !left && terminal.write(`\r\n${message}\r\n`));
      return () => {
        left = true;
        typing.dispose();
        sizing.dispose();
      };
    },
    focus: () => terminal.focus(),
    dispose() {
      resized.disconnect();
      terminal.dispose();
    },
  };
}

// The page's policy forbids the text of style elements and style attributes, of which the
// terminal makes some for its sizes and colours. It gets what does the same by the object
// model, which the policy allows.

/** Calls a function, for which style elements are none and apply what is written into them. */
function withoutStyleElements(make: () => void): void {
  const { createElement } = document;
  document.createElement = (name: string, options?: ElementCreationOptions) =>
    name === "style" ? styleElement() : createElement.call(document, name, options);
  try {
    make();
  } finally {
    // Uncovers the browser's own.
    Reflect.deleteProperty(document, "createElement");
  }
}

/** Makes an element whose text goes to a style sheet of its own. */
function styleElement(): HTMLElement {
  const element = Document.prototype.createElement.call(document, "template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", {
    set: (css: string) => sheet.replaceSync(css),
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

// The terminal makes the spans of its cells itself.
HTMLSpanElement.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
};
