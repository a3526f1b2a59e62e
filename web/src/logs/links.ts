// Addresses in a line. Only http and https become links.

export interface Range {
  start: number;
  end: number;
}

const address = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/gi;
const longest = 2_000;

/** Finds the addresses in a text, without the punctuation that follows them. */
export function findLinks(text: string): Range[] {
  if (!text.includes("://")) return [];
  const found: Range[] = [];
  for (const match of text.matchAll(address)) {
    let link = match[0];
    if (link.length > longest) continue;
    while (/[.,;:!?*\])]$/.test(link) && !closes(link)) link = link.slice(0, -1);
    if (isWeb(link)) {
      found.push({ start: match.index, end: match.index + link.length });
    }
  }
  return found;
}

/** Whether the text's last character is a bracket that belongs to one in the text. */
function closes(text: string): boolean {
  const close = text.at(-1);
  const open = close === ")" ? "(" : close === "]" ? "[" : undefined;
  return open !== undefined && text.split(open).length >= text.split(close as string).length;
}

function isWeb(link: string): boolean {
  try {
    return /^https?:$/.test(new URL(link).protocol);
  } catch {
    return false;
  }
}
