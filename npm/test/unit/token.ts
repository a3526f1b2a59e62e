const encode = (text: string) =>
  btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** makeToken returns a token, without a valid signature, that expires after the given time in milliseconds. */
export function makeToken(lifeMs = 900_000, leases: object = { access: "scoped", scope: all }) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: "akash1tenant",
    version: "v1",
    iat: now - 10,
    nbf: now - 10,
    exp: now + lifeMs / 1000,
    leases,
    jti: `${++made}`,
  };
  return [`{"alg":"ES256K","typ":"JWT"}`, JSON.stringify(claims), "signature"]
    .map(encode)
    .join(".");
}

const all = ["logs", "status", "events", "restart", "send-manifest", "get-manifest"];
let made = 0;
