// The addresses of the views, for links to them.

/** A lease, as it stands in the page's address. */
export interface LeaseRef {
  owner: string;
  dseq: string;
  gseq: number;
  oseq: number;
  provider: string;
}

const join = (...parts: (string | number)[]) =>
  `/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

/** The addresses of the views, to be given to navigate, or to href for links. */
export const paths = {
  home: "/",
  signIn: "/sign-in",
  leases: "/leases",
  provider: (address: string) => join("provider", address),
  /** A view of a lease: "logs", "services", … */
  lease: ({ owner, dseq, gseq, oseq, provider }: LeaseRef, view = "logs") =>
    join("lease", owner, dseq, gseq, oseq, provider, view),
};

/** Returns what a link to a path has as its href. */
export const href = (path: string) => `#${path}`;
