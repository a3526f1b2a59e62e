"use client";
import { AkashClientProvider } from "akash-provider-web/react";
import { makeClient, name } from "./client.js";
import { Log } from "./Log.jsx";

export function App() {
  return (
    <AkashClientProvider client={makeClient}>
      <h1>heading 1, {name}</h1>
      <Log />
    </AkashClientProvider>
  );
}
