import { isPlaceholder } from "./placeholder.js";

/** Creates a token; provided by the page. */
export type GetToken = () => string | Promise<string>;

/** How long before its expiry a token is no longer used, in milliseconds. */
const nearEnd = 60_000;

/**
 * The source of tokens: a function of the page, which is called as rarely as possible,
 * since it may have to create a signature.
 */
class TokenSource {
  readonly #getToken: GetToken;
  #token = "";
  /** When the token expires, in milliseconds since 1970. */
  #expires = 0;
  /** The pending call of the function. */
  #asked: Promise<string> | undefined;

  constructor(getToken: GetToken) {
    this.#getToken = getToken;
  }

  /** get returns the last token unless it is about to expire or was refused. */
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

/** expiry returns when a token expires, or 0 if it does not say. */
function expiry(token: string): number {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === "number" ? exp * 1000 : 0;
  } catch {
    return 0;
  }
}

/** Sources by function: calls with the same function share its tokens. */
const sources = new WeakMap<GetToken, TokenSource>();

/** tokensOf returns a function that gets a function's tokens. */
export function tokensOf(getToken: GetToken): (refused: string) => Promise<string> {
  let source = sources.get(getToken);
  if (!source) {
    source = new TokenSource(getToken);
    sources.set(getToken, source);
  }
  return (refused) => source.get(refused);
}
