// The dashboard: the status of a provider and the logs of a lease.

import { advice } from "./advice.js";
import { byId, el } from "./dom.js";
import { readFragment, writeFragment } from "./fragment.js";
import { Logs } from "./logs.js";
import { recent, remember } from "./recent.js";
import { statusView } from "./status.js";

const { AkashProvider } = globalThis;
const provider = byId("provider");
const lease = byId("lease");
const live = byId("live");
const refresh = byId("refresh");

let opened;

/** Returns the page's client. If starting it failed, starts it again. */
function client() {
  opened ??= AkashProvider.createClient({
    bridgeUrl: location.origin,
    wasmUrl: byId("module").href,
  }).catch((error) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

const logs = new Logs({
  client,
  provider: () => provider.value.trim(),
  fail: (error) => notice(byId("logs-notice"), error, () => lease.requestSubmit()),
});

// --- status ---

let showing = new AbortController();
let shown = ""; // the address whose status is shown

async function show() {
  showing.abort();
  showing = new AbortController();
  const { signal } = showing;
  const address = provider.value.trim();
  const box = byId("status");
  writeFragment(fields());
  refresh.disabled = false;
  box.setAttribute("aria-busy", "true");
  byId("status-line").textContent = "Asking…";
  notice(byId("status-notice"), null);
  if (shown !== address) box.replaceChildren();

  try {
    const c = await client();
    const result = await c.getProviderStatus(address, { signal });
    if (signal.aborted) return;
    if (result.status === "error") throw result.error;
    remember(address);
    offerRecent();
    draw(address, result.response, result);
    if (live.checked) {
      for await (const status of c.streamProviderStatus(address, { signal })) {
        if (signal.aborted) return;
        draw(address, status, result);
      }
      live.checked = false;
    }
  } catch (error) {
    if (signal.aborted) return;
    byId("status-line").textContent = "Failed";
    live.checked = false;
    notice(byId("status-notice"), error, show);
  } finally {
    if (!signal.aborted) box.setAttribute("aria-busy", "false");
  }
}

function draw(address, status, about) {
  shown = address;
  byId("status").replaceChildren(...statusView(address, status, about));
  byId("status").setAttribute("aria-busy", "false");
  byId("status-line").textContent = `As of ${new Date().toLocaleTimeString()}`;
}

// --- shared by both ---

/** Shows an error with its cause and advice, or removes it. */
function notice(place, error, again) {
  place.replaceChildren();
  if (!error) return;
  const facts = [
    error.code,
    error.reason,
    error.attempts > 1 && `${error.attempts} attempts`,
    error.requestId && `request ${error.requestId}`,
  ].filter(Boolean);
  const button = el("button", { type: "button" }, "Try again");
  button.addEventListener("click", again);
  place.append(
    el(
      "div",
      { class: "notice error" },
      el("p", { class: "notice-text" }, error.message || String(error)),
      advice(error) ? el("p", {}, advice(error)) : null,
      el(
        "div",
        { class: "notice-foot" },
        el("span", { class: "muted" }, facts.join(" · ")),
        button,
      ),
    ),
  );
}

function fields() {
  const values = { provider: provider.value.trim() };
  for (const name of ["owner", "dseq", "gseq", "oseq", "service"]) {
    values[name] = lease.elements[name].value.trim();
  }
  return values;
}

function offerRecent() {
  byId("recent").replaceChildren(...recent().map((address) => new Option(address)));
}

/** Fills in the form from the page's address. */
function follow() {
  const given = readFragment();
  for (const name of ["owner", "dseq", "gseq", "oseq", "service", "token"]) {
    if (given[name]) lease.elements[name].value = given[name];
  }
  if (given.provider) {
    provider.value = given.provider;
    logs.stop();
    show();
  }
}

byId("pick").addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
refresh.addEventListener("click", show);
live.addEventListener("change", () => {
  if (provider.value.trim()) show();
});
lease.addEventListener("change", () => writeFragment(fields()));
addEventListener("hashchange", follow);

offerRecent();
follow();
if (!provider.value) provider.focus();
