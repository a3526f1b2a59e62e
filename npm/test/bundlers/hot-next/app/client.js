import { createClient } from "akash-provider-web";

export const name = "client 1";
export const makeClient = () =>
  createClient({
    bridgeUrl: "http://127.0.0.1:8080",
    worker: location.hash === "#worker",
  });
