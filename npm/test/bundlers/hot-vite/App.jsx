import { AkashClientProvider } from "akash-provider-web/react";
import { client, name } from "./client.js";
import { Log } from "./Log.jsx";

export function App() {
  return (
    <AkashClientProvider client={client}>
      <h1>heading 1, {name}</h1>
      <Log />
    </AkashClientProvider>
  );
}
