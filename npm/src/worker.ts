// The entry of a worker, which createClient({ worker: true }) starts.
import { listen } from "./worker/worker-service.js";

listen();
