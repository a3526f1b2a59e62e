// Chooses a container of a lease.

import type { ServiceStatus } from "akash-provider-web";

/** A service and a replica of it. */
export interface Container {
  readonly service: string;
  readonly replica: number;
}

/**
 * Returns the chosen container if it is there, or else the first one. Where the services are
 * not known, it is the chosen one.
 */
export function containerOf(
  services: readonly ServiceStatus[] | undefined,
  chosen: Container | undefined,
): Container | undefined {
  if (!services) return chosen?.service ? chosen : undefined;
  const known = services.find(({ name }) => name === chosen?.service);
  if (known && chosen && chosen.replica < (known.status?.total ?? 1)) return chosen;
  const service = known ?? services[0];
  return service && { service: service.name, replica: 0 };
}

export function PickReplica({
  services,
  value,
  onChange,
  texts,
  disabled = false,
}: {
  services: readonly ServiceStatus[] | undefined;
  value: Container | undefined;
  onChange: (container: Container) => void;
  texts: { readonly service: string; readonly replica: string };
  disabled?: boolean;
}) {
  if (!services) {
    // A token may permit this and not the status, which has their names.
    return (
      <>
        <label className="half">
          {texts.service}{" "}
          <input
            required
            spellCheck={false}
            autoCapitalize="off"
            maxLength={253}
            disabled={disabled}
            value={value?.service ?? ""}
            onChange={({ target }) =>
              onChange({ service: target.value.trim(), replica: value?.replica ?? 0 })
            }
          />
        </label>
        <label className="half">
          {texts.replica}{" "}
          <input
            required
            inputMode="numeric"
            pattern="[0-9]{1,4}"
            disabled={disabled || !value}
            value={value?.replica ?? 0}
            onChange={({ target }) =>
              value && onChange({ service: value.service, replica: Number(target.value) || 0 })
            }
          />
        </label>
      </>
    );
  }
  const total = services.find(({ name }) => name === value?.service)?.status?.total ?? 1;
  return (
    <>
      <label className="half">
        {texts.service}{" "}
        <select
          value={value?.service ?? ""}
          disabled={disabled || !value}
          onChange={({ target }) => onChange({ service: target.value, replica: 0 })}
        >
          {services.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <label className="half">
        {texts.replica}{" "}
        <select
          value={value?.replica ?? 0}
          disabled={disabled || !value}
          onChange={({ target }) =>
            value && onChange({ service: value.service, replica: Number(target.value) })
          }
        >
          {[...Array(Math.max(1, total)).keys()].map((n) => (
            <option key={n} value={n}>
              {n}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}
