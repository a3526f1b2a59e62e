// Prints the size of the client's module and of an empty Go program, and writes the
// figures to a file:
//
//   node testserver/bench/size.mjs MODULE EMPTY OUT.json BUDGET
//
// Brotli uses quality 11, as for served files, and gzip level 9. The ratio is that of
// the brotli sizes. It fails if the ratio exceeds the budget.

import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [module, empty, out, budget] = process.argv.slice(2);

function measure(path) {
  const raw = readFileSync(path);
  return {
    raw: raw.length,
    gzip: gzipSync(raw, { level: 9 }).length,
    brotli: brotliCompressSync(raw, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_LGWIN]: 24,
        [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
      },
    }).length,
  };
}

const sizes = { wasm: measure(module), empty: measure(empty) };
const ratio = sizes.wasm.brotli / sizes.empty.brotli;
writeFileSync(out, `${JSON.stringify({ ...sizes, ratio: Number(ratio.toFixed(4)) }, null, 2)}\n`);

const row = (name, ...cells) =>
  console.log(name.padEnd(22) + cells.map((c) => String(c).padStart(12)).join(""));
row("bytes", "raw", "gzip -9", "brotli -11");
row("akash-provider-web", sizes.wasm.raw, sizes.wasm.gzip, sizes.wasm.brotli);
row("empty Go program", sizes.empty.raw, sizes.empty.gzip, sizes.empty.brotli);
row("ratio", ...["raw", "gzip", "brotli"].map((k) => (sizes.wasm[k] / sizes.empty[k]).toFixed(3)));

if (ratio > Number(budget)) {
  console.error(`the module is ${ratio.toFixed(3)} times an empty Go program, more than ${budget}`);
  process.exit(1);
}
