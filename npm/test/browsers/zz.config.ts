export default {
  test: {
    root: "/work/wt/browsers/npm/test",
    include: ["browsers/zz.test.ts"],
    testTimeout: 300000,
    hookTimeout: 120000,
  },
};
