export default {
  // Node then finds the module itself; Next.js would look for it at a URL of the site.
  serverExternalPackages: ["akash-provider-web"],
};
