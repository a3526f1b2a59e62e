// The entry of a worker, which createClient({ worker: true }) starts.
import { listen } from "./worker-service.js";

listen();
