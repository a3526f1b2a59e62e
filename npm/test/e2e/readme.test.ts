import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root, Stage } from "./harness.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage?.close());

test("the README's static page works as it stands", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const markup = /```html\n(.*?)```/s.exec(readme)?.[1];
  expect(markup).toBeDefined();

  const page = await stage.page("script");
  await page.setContent(
    (markup ?? "")
      .replaceAll("http://127.0.0.1:8080", stage.url)
      .replaceAll("akash1…", stage.fake.ready.provider),
  );
  const { active } = (await stage.fake.status()).cluster.leases;
  await page.getByText(`${active} leases`).waitFor();
});
