// Reads a client certificate and its key from PEM files.

/** A certificate and its key. */
export interface CertificateFacts {
  readonly certPem: string;
  readonly keyPem: string;
  /** The account in the certificate's name. */
  readonly owner: string;
}

/** Why texts are not a certificate with its key. */
export type CertificateProblem = "certificate" | "key" | "encrypted" | "owner";

const block = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/** Reads PEM files in any order, which may contain other things. */
export function readCertificate(...texts: string[]): CertificateFacts | CertificateProblem {
  const blocks = texts.flatMap((text) => [...text.matchAll(block)]);
  const of = (test: (label: string) => boolean) =>
    blocks.find(([, label]) => test(label ?? ""))?.[0];
  const certPem = of((label) => label === "CERTIFICATE");
  const keyPem = of((label) => label.endsWith("PRIVATE KEY"));
  if (!certPem) return "certificate";
  if (!keyPem) return "key";
  if (keyPem.includes("ENCRYPTED")) return "encrypted";
  const owner = nameIn(certPem);
  return owner ? { certPem: `${certPem}\n`, keyPem: `${keyPem}\n`, owner } : "owner";
}

/** Returns the address in a certificate's common name: its text stands there as it is. */
function nameIn(pem: string): string | undefined {
  try {
    const der = atob(pem.replace(/-----[^-]+-----|\s/g, ""));
    return der.match(/akash1[02-9ac-hj-np-z]{38}/)?.[0];
  } catch {
    return undefined;
  }
}
