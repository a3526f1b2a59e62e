// The load balancer: Debian's HAProxy in front of two bridges, configured as its
// manual recommends, with health checks.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startAt } from "../bench/driver/program.mjs";

// It terminates TLS and speaks HTTP/2 with pages, which need it for many streams over
// fetch. WebSockets need neither. It speaks HTTP/1.1 to one bridge, and HTTP/2 to the
// other except for WebSockets.
const config = ({ plain, tls, bridges, certificate }) => `
global
  maxconn 2000
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout tunnel 1h
  option redispatch
  option httpchk GET /readyz
  default-server check inter 250ms fall 2 rise 1 on-marked-down shutdown-sessions

frontend plain
  bind 127.0.0.1:${plain}
  default_backend sockets

frontend tls
  bind 127.0.0.1:${tls} ssl crt ${certificate} alpn h2,http/1.1
  default_backend bridges

backend bridges
  balance random
  server a 127.0.0.1:${bridges.a}
  server b 127.0.0.1:${bridges.b} proto h2

backend sockets
  balance random
  server a 127.0.0.1:${bridges.a}
  server b 127.0.0.1:${bridges.b}
`;

/** Starts HAProxy. plain, tls and the values of bridges are ports. */
export async function startHAProxy(folder, { plain, tls, bridges }) {
  const certificate = join(folder, "haproxy.pem");
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync(
    "openssl",
    [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ...["-keyout", key, "-out", cert, "-subj", "/CN=localhost"],
    ],
    { stdio: "ignore" },
  );
  writeFileSync(certificate, readFileSync(cert, "utf8") + readFileSync(key, "utf8"), {
    mode: 0o600,
  });
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, config({ plain, tls, bridges, certificate }));
  process.env.PATH += ":/usr/sbin"; // where Debian installs it, which not every PATH contains
  return startAt(plain, "haproxy", "-f", file, "-db", "-q");
}
