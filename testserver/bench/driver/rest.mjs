// Measures the cost of a burst of log lines over a provider's WebSocket, beside the
// plain translation with one message per line. The measurement is the Go benchmark
// BenchmarkBurst of bridge/rest.

import { compare } from "./rounds.mjs";
import { programs, sh } from "./tools.mjs";

export async function measureREST({ rounds }) {
  const burst = (way) => async () => {
    const output = sh(programs.rest, [
      "-test.run=^$",
      `-test.bench=^BenchmarkBurst$/^${way}$`,
      "-test.benchtime=3x",
    ]);
    const found = output.match(/([\d.e+]+) lines\/cpu-s/);
    if (!found) throw new Error(`the benchmark said ${output}`);
    return { perCpuSecond: Number(found[1]) };
  };
  const name = "REST adapter: burst of 100,000 lines";
  return compare(name, rounds, { adapter: burst("adapter"), plain: burst("plain") }, [
    {
      name,
      unit: "lines/CPU s",
      better: "higher",
      figure: "perCpuSecond",
      ours: "adapter",
      peers: ["plain"],
    },
  ]);
}
