// The field for a provider's address.

import { type FormEvent, useId, useState } from "react";
import { paths } from "../route/paths.js";
import { navigate } from "../route/route.js";
import { providers as t } from "../text/en.js";
import { recent } from "./recent.js";

export function AddressForm() {
  const id = useId();
  const [offered] = useState(recent);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const address = String(new FormData(event.currentTarget).get("provider") ?? "").trim();
    if (address) navigate(paths.provider(address));
  }

  return (
    <form className="pick" onSubmit={submit}>
      <label className="visually-hidden" htmlFor={id}>
        {t.address}
      </label>
      <input
        id={id}
        name="provider"
        list="recent"
        required
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        placeholder={t.addressHint}
        maxLength={128}
      />
      <datalist id="recent">
        {offered.map((address) => (
          <option key={address} value={address} />
        ))}
      </datalist>
      <button type="submit" className="primary">
        {t.show}
      </button>
    </form>
  );
}
