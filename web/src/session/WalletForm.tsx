// Signs in with a wallet.

import { type FormEvent, useEffect, useState } from "react";
import { session as t } from "../text/en.js";
import { allGroups, type ScopeGroup } from "./scopes.js";
import { signInWithWallet } from "./session.js";
import { rememberWallet } from "./storage.js";
import { Way } from "./Way.js";
import { type FoundWallet, findWallets } from "./wallets.js";

/** For how long tokens can be valid, in minutes. The page asks for a new one before. */
const lives = [5, 15, 60];

export function WalletForm({ onDone }: { onDone: () => void }) {
  const wallets = useWallets();
  const [groups, setGroups] = useState<readonly ScopeGroup[]>(["look"]);
  const [asked, setAsked] = useState<FoundWallet>();
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const fields = new FormData(event.currentTarget, (event.nativeEvent as SubmitEvent).submitter);
    const found = wallets.find((wallet) => wallet.id === fields.get("wallet"));
    if (!found) return;
    if (groups.length === 0) return setProblem(t.noGroup);
    const terms = { life: Number(fields.get("life")) * 60, groups };
    setProblem("");
    setAsked(found);
    try {
      await signInWithWallet(found, terms);
      if (fields.has("remember")) rememberWallet({ id: found.id, ...terms });
      onDone();
    } catch (error) {
      setAsked(undefined);
      setProblem(t.walletRefused(found.name, error instanceof Error ? error.message : `${error}`));
    }
  }

  return (
    <Way title={t.wallet} why={t.walletWhy} problem={problem} onSubmit={submit}>
      <fieldset>
        <legend>{t.permits}</legend>
        {allGroups.map((group) => (
          <label key={group} className="choice">
            <input
              type="checkbox"
              checked={groups.includes(group)}
              onChange={({ currentTarget: { checked } }) =>
                setGroups(allGroups.filter((g) => (g === group ? checked : groups.includes(g))))
              }
            />{" "}
            {t.groups[group]}
          </label>
        ))}
      </fieldset>
      <label className="choice">
        {t.life}{" "}
        <select name="life" defaultValue="15">
          {lives.map((minutes) => (
            <option key={minutes} value={minutes}>
              {t.minutes(minutes)}
            </option>
          ))}
        </select>
      </label>
      <label className="choice">
        <input type="checkbox" name="remember" /> {t.rememberWallet}
      </label>
      <div className="way-foot">
        {wallets.map(({ id, name }) => (
          <button
            key={id}
            type="submit"
            name="wallet"
            value={id}
            className="primary"
            disabled={asked !== undefined}
          >
            {t.withWallet(name)}
          </button>
        ))}
        {wallets.length === 0 && <p className="muted">{t.noWallet}</p>}
      </div>
      <p role="status" className="muted">
        {asked && t.asking(asked.name)}
      </p>
    </Way>
  );
}

/** Returns the browser's wallets. Extensions may put them there later than the page. */
function useWallets(): FoundWallet[] {
  const [wallets, setWallets] = useState(() => findWallets());
  useEffect(() => {
    const look = () =>
      setWallets((known) => {
        const now = findWallets();
        return now.length === known.length ? known : now;
      });
    look();
    const timer = setInterval(look, 500);
    return () => clearInterval(timer);
  }, []);
  return wallets;
}
