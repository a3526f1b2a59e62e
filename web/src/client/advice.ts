// What a person can do about a failed call.

import { adviceByCode, adviceByReason } from "../text/en.js";

/** Returns advice, or "" if there is none. */
export function advice({
  reason = "",
  code = "",
}: {
  reason?: string | undefined;
  code?: string;
}): string {
  return adviceByReason[reason] ?? adviceByCode[code] ?? "";
}
