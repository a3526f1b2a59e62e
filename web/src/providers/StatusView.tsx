// What a provider's status says.

import type { ClusterNode, ProviderStatus } from "akash-provider-web";
import { providers as t } from "../text/en.js";
import { Meter } from "../ui/Meter.js";
import { count, percent } from "../ui/quantity.js";
import { type Point, Sparkline } from "../ui/Sparkline.js";
import type { History } from "./history.js";
import {
  type About,
  certificate,
  gpuModels,
  nodeColumns,
  nodeResources,
  type Resource,
  resources,
  share,
} from "./resources.js";

export function StatusView({
  address,
  status,
  about,
  history,
}: {
  address: string;
  status: ProviderStatus;
  about: About;
  history: History;
}) {
  const nodes = status.cluster?.inventory?.cluster?.nodes ?? [];
  const models = [...gpuModels(status)];
  return (
    <>
      <Identity address={address} status={status} about={about} />
      {status.errors.length > 0 && (
        <div className="notice warning">
          <strong>{t.errors}</strong>
          <ul>
            {status.errors.map((error) => (
              <li key={error}>{error}</li>
            ))}
          </ul>
        </div>
      )}
      <Figures status={status} />
      <h2 className="minor">{t.resources}</h2>
      <div className="cards">
        {resources(status).map((resource) => (
          <Card key={resource.name} resource={resource} points={history.get(resource.name) ?? []} />
        ))}
      </div>
      {models.length > 0 && (
        <>
          <h2 className="minor">{t.gpuModels}</h2>
          <ul className="chips">
            {models.map(([name, n]) => (
              <li key={name}>
                {n} × {name}
              </li>
            ))}
          </ul>
        </>
      )}
      {nodes.length > 0 && (
        <>
          <h2 className="minor">{t.nodes(nodes.length)}</h2>
          <NodeTable nodes={nodes} />
        </>
      )}
    </>
  );
}

function Identity({
  address,
  status,
  about,
}: {
  address: string;
  status: ProviderStatus;
  about: About;
}) {
  const facts = [
    [t.method, about.method === "rest" ? "REST" : "gRPC"],
    [t.endpoint, about.endpoint],
    [t.version, about.providerVersion],
    [t.certificate, certificate(about)],
    [t.hostNames, status.publicHostnames.join(", ")],
  ].filter(([, text]) => text);
  return (
    <div className="identity">
      <p className="address">{address}</p>
      <dl className="facts">
        {facts.map(([name, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function Figures({ status }: { status: ProviderStatus }) {
  const reservations = status.cluster?.inventory?.reservations;
  const figures: [string, number | undefined][] = [
    [t.activeLeases, status.cluster?.leases?.active],
    [t.reservations, reservations?.active?.count],
    [t.pending, reservations?.pending?.count],
    [t.openOrders, status.bidEngine?.orders],
    [t.deployments, status.manifest?.deployments],
  ];
  return (
    <dl className="figures">
      {figures.map(
        ([name, n]) =>
          n !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{count(n)}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function Card({ resource, points }: { resource: Resource; points: readonly Point[] }) {
  const { name, used, total } = resource;
  return (
    <div className={total > 0 ? "card" : "card none"}>
      <p className="card-name">{name}</p>
      <p className="card-share">{total > 0 ? percent(used / total) : t.none}</p>
      <Meter label={t.used(name)} used={used} total={total} />
      <p className="muted">{total > 0 ? share(resource) : " "}</p>
      {total > 0 && points.length > 1 && (
        <Sparkline points={points} max={total} label={spoken(resource, points)} />
      )}
    </div>
  );
}

/** What a plot says in words. */
function spoken({ name, kind, total }: Resource, points: readonly Point[]): string {
  const values = points.map(({ value }) => value);
  const said = (used: number) => share({ kind, used, total });
  const from = new Date(points[0]?.at ?? 0).toLocaleTimeString();
  return t.history(name, from, said(Math.min(...values)), said(Math.max(...values)));
}

function NodeTable({ nodes }: { nodes: ClusterNode[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what can be scrolled must be reachable by keyboard
    <section className="table nodes" aria-label={t.nodesTable} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {[t.node, ...nodeColumns, t.storageClasses].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <NodeRow key={node.name} node={node} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function NodeRow({ node }: { node: ClusterNode }) {
  return (
    <tr>
      <th scope="row">{node.name || t.unnamed}</th>
      {nodeResources(node).map((resource) => (
        <NodeCell key={resource.name} node={node.name} resource={resource} />
      ))}
      <td data-name={t.storageClasses}>
        {(node.capabilities?.storageClasses ?? []).join(", ") || "–"}
      </td>
    </tr>
  );
}

function NodeCell({ node, resource }: { node: string; resource: Resource }) {
  const { name, used, total } = resource;
  if (total === 0) {
    return (
      <td className="muted" data-name={name}>
        –
      </td>
    );
  }
  return (
    <td data-name={name}>
      <span className="cell-share">{share(resource, " / ")}</span>
      <Meter label={t.used(`${node} ${name}`)} used={used} total={total} />
    </td>
  );
}
