import { isPlaceholder } from "./placeholder.js";

/** Makes a token, as a page gives it. */
export type GetToken = () => string | Promise<string>;

/** How long before its end a token is not used any more, in milliseconds. */
const nearEnd = 60_000;

/**
 * Where tokens come from: a page's function, which is asked as seldom as can be,
 * since it may cost a signature.
 */
class TokenSource {
  readonly #getToken: GetToken;
  #token = "";
  /** When the token ends, in milliseconds since 1970. */
  #expires = 0;
  /** What the function was asked for and has not answered yet. */
  #asked: Promise<string> | undefined;

  constructor(getToken: GetToken) {
    this.#getToken = getToken;
  }

  /** get returns the last token unless it nears its end, or was refused. */
  async get(refused: string): Promise<string> {
    if (this.#asked) return this.#asked;
    if (this.#token !== refused && Date.now() < this.#expires - nearEnd) return this.#token;
    this.#asked = this.#ask();
    try {
      return await this.#asked;
    } finally {
      this.#asked = undefined;
    }
  }

  async #ask(): Promise<string> {
    this.#token = "";
    this.#expires = 0;
    const token = await this.#getToken();
    if (typeof token !== "string") throw new TypeError("getToken must give a string");
    if (isPlaceholder(token)) {
      throw new TypeError(
        "getToken gave a placeholder: have it give a token that the tenant has signed",
      );
    }
    this.#token = token;
    this.#expires = expiry(token);
    return token;
  }
}

/** expiry returns when a token ends, 0 where it does not say. */
function expiry(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === "number" ? exp * 1000 : 0;
  } catch {
    return 0;
  }
}

/** Sources by their functions: calls that share the function share its tokens. */
const sources = new WeakMap<GetToken, TokenSource>();

/** tokensOf returns how to get the tokens that a function makes. */
export function tokensOf(getToken: GetToken): (refused: string) => Promise<string> {
  let source = sources.get(getToken);
  if (!source) {
    source = new TokenSource(getToken);
    sources.set(getToken, source);
  }
  return (refused) => source.get(refused);
}
