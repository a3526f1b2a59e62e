// Decodes attestation quotes, and checks that they are for the nonce that was sent.
import { ProviderError } from "./errors.js";
import type { AttestationQuote } from "./types.js";

/** The size of a nonce and of a report's report data, in bytes. */
export const nonceSize = 64;

/** A quote as the module returns it; binary fields are in base64. */
export interface RawQuote {
  report: string;
  certChain: string;
  teePlatform: string;
  auxblob: string;
  gpuReports: { deviceIndex: number; report: string }[];
  tlsBound: number;
}

/** The parameters of a request for a quote. */
export interface QuoteRequest {
  provider: string;
  nonce: Uint8Array;
  bindTls: boolean;
  tlsPublicKey?: Uint8Array | undefined;
}

/** mismatched makes the error of evidence for another nonce than the one that was sent. */
export function mismatched(provider: string, says: string): ProviderError {
  return new ProviderError({
    code: "FAILED_PRECONDITION",
    reason: "nonceMismatch",
    message: `provider ${provider}: ${says}`,
    provider,
  });
}

/** unreadable makes the error of evidence that cannot be read, or contradicts itself. */
export function unreadable(provider: string, says: string): ProviderError {
  return new ProviderError({
    code: "INTERNAL",
    reason: "providerProtocol",
    message: `provider ${provider}: ${says}`,
    provider,
  });
}

/** readQuote decodes and checks a quote, or throws a ProviderError. */
export async function readQuote(raw: RawQuote, request: QuoteRequest): Promise<AttestationQuote> {
  const { provider, nonce, bindTls, tlsPublicKey } = request;
  let quote: AttestationQuote;
  try {
    quote = decode(raw, nonce);
  } catch {
    throw unreadable(provider, "its attestation quote is not base64");
  }
  const { report, teePlatform, tlsBound } = quote;
  const start = reportDataAt(report, teePlatform);
  if (start === undefined) {
    throw unreadable(
      provider,
      "its attestation report has a form that is not known, so it cannot be checked",
    );
  }
  quote.reportData = report.slice(start, start + nonceSize);
  if (tlsBound !== bindTls) {
    throw mismatched(
      provider,
      bindTls
        ? "its attestation report is not bound to a TLS key, though that was asked for"
        : "its attestation report is bound to a TLS key, which was not asked for, so the nonce cannot be checked",
    );
  }
  const expected = bindTls ? await bound(tlsPublicKey, nonce) : nonce;
  if (!expected) return quote;
  if (!quote.reportData.every((byte, i) => byte === expected[i])) {
    throw mismatched(
      provider,
      "its attestation report is not for the nonce that was sent: it may be an old one, or another machine's; do not trust it",
    );
  }
  quote.nonceVerified = true;
  return quote;
}

function decode(raw: RawQuote, nonce: Uint8Array): AttestationQuote {
  const report = fromBase64(raw.report);
  return {
    nonce,
    report,
    reportData: new Uint8Array(),
    teePlatform: raw.teePlatform,
    certChain: fromBase64(raw.certChain),
    auxblob: fromBase64(raw.auxblob),
    gpuReports: raw.gpuReports.map(({ deviceIndex, report }) => ({
      deviceIndex,
      report: fromBase64(report),
    })),
    tlsBound: raw.tlsBound === 1,
    nonceVerified: false,
    mock: isMock(report),
  };
}

const isMock = (report: Uint8Array) => String.fromCharCode(...report.subarray(0, 4)) === "MOCK";

/**
 * reportDataAt returns the offset of the report data in a report, or undefined if the
 * report's format is unknown. The layouts are those of AMD's SEV-SNP firmware ABI (56860,
 * table "ATTESTATION_REPORT") and of Intel's TDX (DCAP quotes of version 4 and 5, and
 * TDREPORT_STRUCT).
 */
function reportDataAt(report: Uint8Array, platform: string): number | undefined {
  const view = new DataView(report.buffer, report.byteOffset, report.byteLength);
  const tdx = platform.startsWith("tdx");
  if (!tdx && !platform.startsWith("snp")) return undefined;
  if (isMock(report)) return has(report, 80) ? 80 : undefined;
  if (!tdx) return report.length >= 0x4a0 ? 0x50 : undefined;
  if (report.length === 1024 && report[0] === 0x81) return 128; // a TDREPORT
  if (report.length < 56) return undefined;
  const inBody = 520;
  const version = view.getUint16(0, true);
  const kind = view.getUint32(4, true);
  if (kind !== 0x81) return undefined; // not TDX
  // Version 5 has the body's type before it: 2 for TDX 1.0, 3 for TDX 1.5.
  const body = version === 5 ? view.getUint16(48, true) : 2;
  const at = version === 4 ? 48 + inBody : 54 + inBody;
  if ((version !== 4 && version !== 5) || (body !== 2 && body !== 3)) return undefined;
  return has(report, at) ? at : undefined;
}

const has = (report: Uint8Array, at: number) => report.length >= at + nonceSize;

/** bound returns the report data for a TLS key and a nonce, or undefined without a key. */
async function bound(
  key: Uint8Array | undefined,
  nonce: Uint8Array,
): Promise<Uint8Array | undefined> {
  if (!key) return undefined;
  const both = new Uint8Array(key.length + nonce.length);
  both.set(key);
  both.set(nonce, key.length);
  return new Uint8Array(await crypto.subtle.digest("SHA-512", both));
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
