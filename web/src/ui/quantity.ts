// Formats numbers for people.

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Formats a count: 1,234. */
export const count = (n: number) => whole.format(n);

/** Formats cores or devices: 63.9. */
export const amount = (n: number) => plain.format(n);

/** Formats bytes in the unit that suits the largest value: 21.5, 502.9 GiB. */
export function bytes(...values: number[]): { texts: string[]; unit: string } {
  let step = 0;
  let most = Math.max(...values, 0);
  for (; most >= 1024 && step < binary.length - 1; most /= 1024) step++;
  return { texts: values.map((v) => plain.format(v / 1024 ** step)), unit: binary[step] ?? "" };
}

/** Formats a share of 0 or more: 34 %. */
export const percent = (share: number) => `${whole.format(share * 100)} %`;
