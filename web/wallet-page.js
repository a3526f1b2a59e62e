// A wallet with the part of Keplr's interface that signs texts (ADR-36). It has no key of its
// own: sign(text) returns the signature of a text, r and s in base64.

// biome-ignore lint/correctness/noUnusedVariables: a script of a page, which others use
function demoWallet({ address, name = "demo tenant", sign }) {
  const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

  return {
    async enable() {},

    async getKey() {
      return { bech32Address: address, name, algo: "secp256k1" };
    },

    // What Keplr signs is not the text but this document, with its keys in order.
    async signArbitrary(_chainId, signer, data) {
      if (signer !== address) throw new Error(`there is no key for ${signer}`);
      const document = {
        account_number: "0",
        chain_id: "",
        fee: { amount: [], gas: "0" },
        memo: "",
        msgs: [{ type: "sign/MsgSignData", value: { data: base64(data), signer } }],
        sequence: "0",
      };
      return { signature: await sign(JSON.stringify(document)) };
    },
  };
}
