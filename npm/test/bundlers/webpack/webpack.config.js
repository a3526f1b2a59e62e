export default {
  mode: "production",
  entry: { first: "./first.js", logs: "./logs.js", threads: "./threads.js" },
};
