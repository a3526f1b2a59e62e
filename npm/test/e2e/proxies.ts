// Proxies in front of a bridge: Debian's nginx and HAProxy, with the test's
// configurations.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../testserver/chaos/ports.mjs";
import { makeCertificate, until } from "./harness.js";

/** A running proxy. */
export interface RunningProxy extends AsyncDisposable {
  /** Its URL, for `bridgeUrl`. */
  url: string;
}

/** The options of a proxy. */
export interface ProxyOptions {
  /** Additional lines for nginx's location, or for HAProxy's defaults. */
  lines?: string[];
  /** Additional lines outside nginx's server. */
  http?: string[];
  /** The bridges that HAProxy chooses from, if there are several. */
  servers?: string[];
  /** Whether it serves TLS and HTTP/2. */
  tls?: boolean;
  /** Whether it serves HTTP/1.1 alone, as nginx does unless told otherwise. */
  http1?: boolean;
}

/** The lines with which nginx passes on WebSockets. */
export const nginxSockets = [
  "proxy_http_version 1.1;",
  "proxy_set_header Upgrade $http_upgrade;",
  "proxy_set_header Connection $http_connection;",
];

/** Starts nginx with only proxy_pass and the given lines. */
export function startNginx(
  bridgeUrl: string,
  { lines = [], http = [], tls, http1 }: ProxyOptions = {},
) {
  return startProxy("nginx", tls, (port, folder) => ({
    args: ["-p", folder, "-c", "proxy.conf", "-e", "stderr"],
    config: `
      daemon off;
      master_process off;
      pid nginx.pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        client_body_temp_path body;
        proxy_temp_path proxy;
        fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi;
        scgi_temp_path scgi;
        ${http.join("\n        ")}
        server {
          listen 127.0.0.1:${port} ${tls ? `ssl ${http1 ? "" : "http2"}` : ""};
          ${tls ? "ssl_certificate cert.pem; ssl_certificate_key cert.pem;" : ""}
          location / {
            proxy_pass ${bridgeUrl};
            ${lines.join("\n            ")}
          }
        }
      }`,
  }));
}

/** Starts HAProxy with the timeouts that it requires and the given lines. */
export function startHAProxy(
  bridgeUrl: string,
  { lines = [], servers = [bridgeUrl], tls }: ProxyOptions = {},
) {
  return startProxy("haproxy", tls, (port, folder) => ({
    args: ["-f", join(folder, "proxy.conf"), "-db", "-q"],
    config: `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  ${lines.join("\n  ")}

frontend pages
  bind 127.0.0.1:${port} ${tls ? `ssl crt ${folder}/cert.pem alpn h2,http/1.1` : ""}
  default_backend bridge

backend bridge
  ${servers.map((url, n) => `server bridge${n} ${new URL(url).host}`).join("\n  ")}
`,
  }));
}

async function startProxy(
  command: string,
  tls: boolean | undefined,
  made: (port: number, folder: string) => { config: string; args: string[] },
): Promise<RunningProxy> {
  const folder = await mkdtemp(join(tmpdir(), `${command}-`));
  if (tls) {
    makeCertificate(folder);
    // Both proxies require the certificate and its key in one file.
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    await writeFile(cert, (await readFile(cert, "utf8")) + (await readFile(key, "utf8")));
  }
  const port = await freePorts();
  const { config, args } = made(port, folder);
  await writeFile(join(folder, "proxy.conf"), config);
  // Debian installs them in a directory that is not in every PATH.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit");
  const stop = async () => {
    kill();
    await ended;
    process.off("exit", kill);
    await rm(folder, { recursive: true });
  };
  try {
    await Promise.race([
      until(`${command} listens`, 10_000, () => listens(port)),
      ended.then(([code]) => {
        throw new Error(`${command} ended with ${code}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${errors}`);
  }
  return { url: `${tls ? "https" : "http"}://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
}

/** Reports whether a port accepts connections. */
async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
