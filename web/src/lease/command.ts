// What somebody types as a command.

/**
 * Returns the program and the arguments that a command has. One with anything that a shell
 * interprets is run by one, which the container then needs.
 */
export function commandOf(typed: string): string[] {
  const text = typed.trim();
  if (text === "") return ["sh"];
  return /^[\w.,:@%+=/ -]+$/.test(text) && !/^\w+=/.test(text)
    ? text.split(/ +/)
    : ["sh", "-c", text];
}
