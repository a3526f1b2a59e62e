// Which end-to-end tests run in which browsers, and why some do not. The README's table has
// a row for each area, and a sentence for each thing that is left out.

/** What is tested in every browser: the rows of the table, each with its test files. */
export const areas = {
  "status: script tag and module, page and worker, every version of providers": ["status"],
  "calls and streams that are begun before the module is there": ["early"],
  "logs: 100,000 lines compared by hash, fetch and WebSocket, page and worker; pods that start, are replaced or log oddly":
    ["logs", "field-logs", "field-follow"],
  "resume: the bridge is killed, restarted, replaced, behind nginx and HAProxy, too": [
    "resume",
    "rolling",
  ],
  "a page that is left and comes back, a machine that sleeps, a network that goes, a service worker":
    ["page-life"],
  "ends: streams and calls leave nothing behind, after a garbage collection, too": [
    "ends",
    "field-leaving",
  ],
  "200 streams in a page over HTTP/1.1 (WebKitGTK 190), and more than the browser allows": [
    "many",
    "sockets",
  ],
  "unread logs: HTTP/2 with TLS, WebSockets, page and worker": ["unread"],
  "workers: shared, ended, crashed, forbidden": ["worker"],
  "React 18 and 19, in StrictMode": ["react"],
  "bad input, faults of provider and chain, errors and warnings for developers": [
    "bad-input",
    "comfort",
    "field-refusals",
  ],
  "leases: tokens and mTLS, an account's list, the SDK's `LeaseRPC`": [
    "lease",
    "leases",
    "sdk-lease",
  ],
  "tenants: migration, attestation, signed inventories": ["tenant"],
  "200 providers asked at once, a fifth of them dead": ["discovery"],
  "keys of a bridge, hashes of its files, ids of requests": ["access", "integrity", "request-id"],
  "nginx and HAProxy that buffer, compress or time out": ["field-proxies"],
  "shells, commands, files, a terminal": ["shell", "shell-react"],
  "the dashboard: signing in, all providers and one, the parts of a lease, a log, a shell": [
    "views",
    "dashboard-everywhere",
  ],
  "without JS String Builtins, BYOB readers and iterable streams": ["fallbacks"],
};

/** The test files that are not in the directory e2e, but here. */
export const own = ["sockets", "unread", "views"];

/** The test files that run in Chromium alone, or in no browser, and why. */
export const leftOutFiles = [
  {
    files: ["backpressure"],
    why: "What an unread log costs a page in memory is measured over the protocol of Chromium's developer tools.",
  },
  {
    files: ["react-memory"],
    why: "What 100 mounts and unmounts leave in a page is counted over the protocol of Chromium's developer tools.",
  },
  {
    files: [
      "dashboard",
      "dashboard-access",
      "dashboard-figures",
      "dashboard-lease",
      "dashboard-logs",
      "dashboard-providers",
      "dashboard-session",
      "demo",
    ],
    why: "The dashboard's other tests use Playwright's locators by role, its clipboard and its clock, and so run in Chromium alone.",
  },
  {
    files: ["readme"],
    why: "The examples of the documents are run in Chromium alone, since one of them is a test with Playwright.",
  },
  {
    files: ["clients", "shell-nodes", "site"],
    why: "The tests of programs outside pages need no browser.",
  },
  {
    files: ["shell-figures"],
    why: "Times are measured in Chromium alone.",
  },
];

/** The tests that some browsers leave out, by the name with which the tests ask. */
export const leftOutTests = {
  frozen: {
    file: "page-life",
    browsers: ["firefox", "webkit"],
    why: "Only the protocol of Chromium's developer tools freezes a page in the background.",
  },
  throttled: {
    file: "page-life",
    browsers: ["firefox", "webkit"],
    why: "Only Chromium has a flag for how soon the timers of a tab in the background run once a minute.",
  },
  onePreflight: {
    file: "status",
    browsers: ["firefox"],
    why: "Firefox asks for permission (CORS) before each call to a bridge of another origin, although it may remember the answer for ten minutes.",
  },
  garbage: {
    file: "field-leaving",
    browsers: ["webkit"],
    why: "Nothing lets a test collect the garbage of WebKitGTK, so streams and calls are left there without that.",
  },
  heldBack: {
    file: "field-proxies",
    browsers: ["webkit"],
    why: "WebKitGTK does not tell a proxy over TLS that a page has given up a fetch whose answer the proxy holds back, so the stream stays open at the provider.",
  },
  unreadFetch: {
    file: "unread",
    browsers: ["firefox", "webkit"],
    why: "Firefox and WebKitGTK buffer what a page does not read of a fetch without limit, so an unread log over `fetch` alone holds nothing back there.",
  },
};
