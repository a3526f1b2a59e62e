// The program that the suite's runner starts as the client: it passes requests and responses
// between the runner and client/main.ts, whose browser runs already. The runner waits 20
// seconds for the first response, and a busy machine may need longer to start a browser.
//
//   node pipe.mjs PORT

import { connect } from "node:net";

const socket = connect(Number(process.argv[2]), "127.0.0.1");
process.stdin.pipe(socket).pipe(process.stdout);
