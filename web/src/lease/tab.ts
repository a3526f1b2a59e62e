// The parts of a lease, each with a component of its own that is loaded when it is opened.

import type { Auth, ServiceStatus } from "akash-provider-web";
import type { StatusResult } from "akash-provider-web/react";
import type { ComponentType } from "react";
import type { LeaseRef } from "../route/paths.js";
import type { EventsView } from "./use-events.js";

/** What each part of a lease gets. */
export interface PartProps {
  readonly lease: LeaseRef;
  readonly auth: Auth;
  readonly status: StatusResult<ServiceStatus[]>;
  readonly events: EventsView;
}

/** The parts, by their names in the page's address, in order. */
export const tabs = {
  services: async () => (await import("./ServicesTab.js")).ServicesTab,
  logs: async () => (await import("../logs/LogPanel.js")).LogPanel,
  events: async () => (await import("./EventsTab.js")).EventsTab,
  shell: async () => (await import("./ShellTab.js")).ShellTab,
  files: async () => (await import("./FilesTab.js")).FilesTab,
  manifest: async () => (await import("./ManifestTab.js")).ManifestTab,
} satisfies Record<string, () => Promise<ComponentType<PartProps>>>;

export type TabName = keyof typeof tabs;

export const tabNames = Object.keys(tabs) as TabName[];

export const isTab = (name: string): name is TabName => Object.hasOwn(tabs, name);
