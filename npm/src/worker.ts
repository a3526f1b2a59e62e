// The entry of the worker that createClient({ worker: true }) starts.
import { listen } from "./worker/worker-service.js";

listen();
