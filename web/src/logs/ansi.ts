// What a terminal would show of a line: its text without escape sequences, and the styles
// that these set.

/** A part of a line in one style: class names of logs.css, or "" for none. */
export interface Run {
  text: string;
  style: string;
}

// SGR; then CSI, OSC and the other strings, and short sequences, each also where the line
// ends within it; then a carriage return; then other control characters except tabs.
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /\u001b\[([0-9;:]*)m|\u001b(?:\[[0-?]*(?:[ -/]*[@-~]|$)|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-Z\\`-~]|$)|\r|[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const anyControl = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;

/** Whether a text has control characters, so that its plain text differs from it. */
export function hasControls(text: string): boolean {
  return anyControl.test(text);
}

/** Returns a line's text as a terminal shows it. */
export function plainText(line: string): string {
  if (!anyControl.test(line)) return line;
  let text = "";
  let returned = false;
  scan(
    line,
    (part) => {
      text = returned ? part : text + part;
      returned = false;
    },
    (sequence) => {
      if (sequence === "\r") returned = true;
    },
  );
  return text;
}

/** Returns the parts of a line in their styles. Their joined text is the line's plain text. */
export function styledRuns(line: string): Run[] {
  if (!anyControl.test(line)) return line === "" ? [] : [{ text: line, style: "" }];
  let runs: Run[] = [];
  let returned = false;
  const pen = new Pen();
  scan(
    line,
    (text) => {
      // What a program writes after a carriage return replaces what it has written.
      if (returned) runs = [];
      returned = false;
      const style = pen.style;
      const last = runs.at(-1);
      if (last?.style === style) last.text += text;
      else runs.push({ text, style });
    },
    (sequence, parameters) => {
      if (sequence === "\r") returned = true;
      else if (parameters !== undefined) pen.set(parameters);
    },
  );
  return runs;
}

/** Calls text with each part between control sequences, and control with each of these. */
function scan(
  line: string,
  text: (part: string) => void,
  control: (sequence: string, sgr: string | undefined) => void,
): void {
  let from = 0;
  for (const match of line.matchAll(controls)) {
    if (match.index > from) text(line.slice(from, match.index));
    control(match[0], match[1]);
    from = match.index + match[0].length;
  }
  if (from < line.length) text(line.slice(from));
}

const basic = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

/** The colours of logs.css, which are readable in every theme. */
export type Colour = (typeof basic)[number] | "gray" | "orange" | "violet";

/** The attributes that SGR sequences set. */
class Pen {
  #bold = false;
  #dim = false;
  #italic = false;
  #underline = false;
  #strike = false;
  #inverse = false;
  #front: Colour | undefined;
  #back: Colour | undefined;
  style = "";

  set(parameters: string): void {
    const codes = parameters.split(/[;:]/, 64).map(Number);
    // With colons a colour may have an empty field, for the colour space.
    const spaced = /[34]8:2:\d*:\d+:\d+:\d+/.test(parameters);
    for (let i = 0; i < codes.length; i++) i += this.#apply(codes, i, spaced);
    const on = (is: boolean, name: string) => (is ? ` ${name}` : "");
    this.style = (
      on(this.#bold, "bold") +
      on(this.#dim, "dim") +
      on(this.#italic, "italic") +
      on(this.#underline, "underline") +
      on(this.#strike, "strike") +
      on(this.#inverse, "inverse") +
      (this.#front ? ` fg-${this.#front}` : "") +
      (this.#back ? ` bg-${this.#back}` : "")
    ).slice(1);
  }

  /** Applies the code at i, and returns how many parameters it has. */
  #apply(codes: number[], i: number, spaced: boolean): number {
    const code = codes[i] ?? 0;
    if (code === 0) {
      this.#bold = this.#dim = this.#italic = this.#underline = false;
      this.#strike = this.#inverse = false;
      this.#front = this.#back = undefined;
    } else if (code === 1) this.#bold = true;
    else if (code === 2) this.#dim = true;
    else if (code === 3) this.#italic = true;
    else if (code === 4 || code === 21) this.#underline = true;
    else if (code === 7) this.#inverse = true;
    else if (code === 9) this.#strike = true;
    else if (code === 22) this.#bold = this.#dim = false;
    else if (code === 23) this.#italic = false;
    else if (code === 24) this.#underline = false;
    else if (code === 27) this.#inverse = false;
    else if (code === 29) this.#strike = false;
    else if (code >= 30 && code <= 37) this.#front = basic[code - 30];
    else if (code === 39) this.#front = undefined;
    else if (code >= 40 && code <= 47) this.#back = basic[code - 40];
    else if (code === 49) this.#back = undefined;
    else if (code >= 90 && code <= 97) this.#front = bright(code - 90);
    else if (code >= 100 && code <= 107) this.#back = bright(code - 100);
    else if (code === 38 || code === 48) {
      const [colour, length] = extended(codes.slice(i + 1, i + 6), spaced);
      if (code === 38) this.#front = colour;
      else this.#back = colour;
      return length;
    }
    return 0;
  }
}

function bright(n: number): Colour | undefined {
  return n === 0 ? "gray" : basic[n];
}

/** Reads the parameters after 38 or 48: the colour, and how many there are. */
function extended(rest: number[], spaced: boolean): [Colour | undefined, number] {
  if (rest[0] === 5) return [indexed(rest[1] ?? 0), 2];
  if (rest[0] !== 2) return [undefined, 0];
  const from = spaced ? 2 : 1;
  const [red = 0, green = 0, blue = 0] = rest.slice(from, from + 3);
  return [nearest(red, green, blue), from + 3];
}

/** One of the 256 colours: 16 basic ones, a cube of 6³, and 24 shades of gray. */
function indexed(n: number): Colour | undefined {
  if (n < 8) return basic[n];
  if (n < 16) return bright(n - 8);
  if (n >= 232) return gray((n - 232) / 23);
  const level = (part: number) => (part === 0 ? 0 : 55 + part * 40);
  const cube = n - 16;
  return nearest(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function gray(lightness: number): Colour {
  return lightness > 0.65 ? "white" : "gray";
}

// The first hue, in degrees, that counts as the next colour.
const hues: [number, Colour][] = [
  [15, "red"],
  [42, "orange"],
  [70, "yellow"],
  [165, "green"],
  [200, "cyan"],
  [250, "blue"],
  [290, "violet"],
  [340, "magenta"],
  [361, "red"],
];

/** The colour of the theme with the nearest hue. */
function nearest(red: number, green: number, blue: number): Colour {
  const max = Math.max(red, green, blue);
  const chroma = max - Math.min(red, green, blue);
  if (chroma < 40) return gray(max / 255);
  let hue: number;
  if (max === red) hue = ((green - blue) / chroma + 6) % 6;
  else if (max === green) hue = (blue - red) / chroma + 2;
  else hue = (red - green) / chroma + 4;
  return hues.find(([end]) => hue * 60 < end)?.[1] ?? "red";
}
