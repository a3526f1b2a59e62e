// The way to a provider.

import { providers as t } from "../text/en.js";
import { AddressForm } from "./AddressForm.js";

export function ProviderList() {
  return (
    <section>
      <AddressForm />
      <p className="empty">{t.empty}</p>
    </section>
  );
}
