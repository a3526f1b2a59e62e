// The dashboard's entry.

import { AkashClientProvider } from "akash-provider-web/react";
import { createRoot } from "react-dom/client";
import { openClient } from "../client/client.js";
import { followLink } from "../route/links.js";
import { readToken } from "../session/read-token.js";
import { restoreSession } from "../session/restore.js";
import { signInWithToken } from "../session/session.js";
import { Shell } from "./Shell.js";

function follow(): void {
  const token = readToken(followLink() ?? "");
  if (typeof token === "object") signInWithToken(token);
}

void restoreSession();
follow();
addEventListener("hashchange", follow);

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no element app");
createRoot(root).render(
  <AkashClientProvider client={openClient}>
    <Shell />
  </AkashClientProvider>,
);

// Every view needs it soon. One that fails to start it says why.
openClient().catch(() => {});
