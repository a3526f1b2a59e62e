// The manifest of a deployment, as the chain's SDK makes it of its description.

import { generateManifest, manifestToSortedJSON, yaml } from "@akashnetwork/chain-sdk";
import { SendManifestRequest } from "@akashnetwork/chain-sdk/private-types/provider.akash.v1";

const description = yaml`
version: "2.0"
services:
  web:
    image: docker.io/library/web:2
    expose:
      - port: 8080
        as: 80
        to:
          - global: true
profiles:
  compute:
    web:
      resources:
        cpu:
          units: 0.5
        memory:
          size: 512Mi
        storage:
          - size: 1Gi
  placement:
    dcloud:
      pricing:
        web:
          denom: uakt
          amount: 1000
deployment:
  web:
    dcloud:
      profile: web
      count: 3
`;

/** Returns the manifest that the chain expects, and the request to send it, in JSON. */
export function manifestOf() {
  const { ok, value } = generateManifest(description);
  if (!ok) throw new Error(JSON.stringify(value));
  return {
    expected: JSON.parse(manifestToSortedJSON(value.groups)),
    sending: SendManifestRequest.toJSON({ manifest: value.groups }),
  };
}
