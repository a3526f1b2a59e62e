// The texts of the log view, which gets them from who makes it.

import type { logs } from "../text/en.js";

export type LogTexts = typeof logs;
