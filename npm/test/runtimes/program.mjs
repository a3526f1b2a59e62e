// For Deno and Bun, which take the package's entry for Node.
import { createClient } from "akash-provider-web";
import { follow } from "./follow.mjs";

await follow(createClient, JSON.parse(process.argv[2]), (line) => console.log(line));
