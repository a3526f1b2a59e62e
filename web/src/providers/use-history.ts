// The history of the provider that is shown.

import type { ProviderStatus } from "akash-provider-web";
import { useEffect, useState } from "react";
import { type History, record } from "./history.js";

/** Returns what was used over time, since the component is there. */
export function useHistory(status: ProviderStatus | undefined): History {
  const [history, setHistory] = useState<History>(new Map());
  useEffect(() => {
    if (status) setHistory((before) => record(before, status, Date.now()));
  }, [status]);
  return history;
}
