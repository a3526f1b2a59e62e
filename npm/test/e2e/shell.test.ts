// Processes and files of containers, in Chromium, over real WebSockets, with real programs
// behind a real terminal at the far end.

import { createHash, randomBytes } from "node:crypto";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Auth, Client, FileSummary, Shell } from "../../src/index.js";
import { Stage, until } from "./harness.js";

declare const client: Client;
declare global {
  var shell: Shell;
  /** What the shell's output was so far, since the test last looked. */
  var shellSeen: string;
  /** Types into the shell. */
  var press: (text: string) => Promise<void>;
  var payload: Uint8Array<ArrayBuffer>;
}

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ fake: ["--seed", "11", "--shell"] });
});
afterAll(() => stage?.close());
afterEach(() => stage.closePages());

async function control<T>(method: string, route: string): Promise<T> {
  const response = await fetch(stage.fake.ready.control + route, { method });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return (text && JSON.parse(text)) as T;
}

/** The first container of the service web, as one asks for it. */
function container(auth: Auth = { type: "jwt", token: stage.fake.ready.jwt }) {
  const { provider, lease } = stage.fake.ready;
  return { provider, lease, service: "web", auth };
}
type Container = ReturnType<typeof container>;

const running = async () => (await control<{ running: number }>("GET", "/shells")).running;

async function withFault<T>(name: string, f: () => Promise<T>): Promise<T> {
  await control("POST", `/fault?name=${name}`);
  try {
    return await f();
  } finally {
    await control("DELETE", `/fault?name=${name}`);
  }
}

/** Runs a command in the page. */
const exec = (page: Page, options: Container & { command: string[] } & Record<string, unknown>) =>
  page.evaluate(async (options) => {
    const { error, ...result } = await client.exec(options);
    const { code, reason, message } = error ?? {};
    return { ...result, error: error && { code, reason, message } };
  }, options);

/** Opens a shell in the page, whose output goes to screen. */
const open = (page: Page, options: Container & Record<string, unknown>) =>
  page.evaluate((options) => {
    globalThis.shellSeen = "";
    globalThis.shell = client.shell(options);
    const decoder = new TextDecoder();
    void (async () => {
      const reader = shell.stdout.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        shellSeen += decoder.decode(value, { stream: true });
      }
    })().catch(() => {});
    globalThis.press = async (text: string) => {
      const writer = shell.stdin.getWriter();
      await writer.write(text);
      writer.releaseLock();
    };
  }, options);

const type = (page: Page, text: string) => page.evaluate((text) => press(text), text);

/** Waits until text is on the screen, and wipes it up to there. */
const shown = (page: Page, text: string) =>
  until(text, 10_000, () =>
    page.evaluate((text) => {
      const at = shellSeen.indexOf(text);
      if (at < 0) return false;
      shellSeen = shellSeen.slice(at + text.length);
      return true;
    }, text),
  );

const exitOf = (page: Page) =>
  page.evaluate(() =>
    shell.exit.then(
      (exit) => ({ exit, error: undefined }),
      ({ code, reason, message }) => ({ exit: undefined, error: { code, reason, message } }),
    ),
  );

const prompt = "ready> ";
/** What makes that the prompt, without its being on the screen before. */
const setPrompt = "PS1=rea'dy> '\n";

describe.each([
  ["the page", false],
  ["a worker", true],
])("in %s", (_, worker) => {
  let page: Page;
  beforeEach(async () => {
    page = await stage.page("module", { worker });
  });

  test.each(["JWT", "mTLS"])(
    "a terminal types, resizes, interrupts and ends, by %s",
    async (by) => {
      let auth: Auth | undefined;
      if (by === "mTLS") {
        const pair = await control<{ certPem: string; keyPem: string }>(
          "POST",
          "/client-certificate",
        );
        auth = { type: "mtls", ...pair };
      }
      // The size is told before there is any output.
      await open(page, { ...container(auth), columns: 132, rows: 50 });
      await type(page, setPrompt);
      await shown(page, prompt);
      await type(page, "until [ \"$(stty size)\" = '50 132' ]; do :; done; echo si''zed\n");
      await shown(page, "sized");
      await page.evaluate(() => shell.resize(80, 24));
      await type(page, "until [ \"$(stty size)\" = '24 80' ]; do :; done; echo aga''in\n");
      await shown(page, "again");
      // Otherwise a busy shell's prompt may come between what is typed and what cat writes.
      await shown(page, prompt);
      await type(page, "cat\n");
      await shown(page, "cat\r\n");
      await type(page, "grüße 🚀\n");
      await shown(page, "grüße 🚀\r\ngrüße 🚀\r\n");
      await type(page, "\u0003");
      await shown(page, prompt);
      await type(page, "exit 42\n");
      expect(await exitOf(page)).toEqual({ exit: { code: 42, message: "" }, error: undefined });
      const written = page.evaluate(() =>
        shell.stdin
          .getWriter()
          .write("x")
          .catch(({ code }) => code),
      );
      expect(await written).toBe("FAILED_PRECONDITION");
    },
  );

  test("a command's outputs stay apart, with its exit code", async () => {
    const command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    expect(await exec(page, { ...container(), command })).toMatchObject({
      status: "success",
      response: { exitCode: 3, stdout: "out\n", stderr: "err\n", truncated: false },
      method: "rest",
      attempts: 1,
    });
  });

  test("a command reads its standard input to the end", async () => {
    const stdin = "grüße\n".repeat(50_000);
    const sum = createHash("sha256").update(stdin).digest("hex");
    const { response } = await exec(page, { ...container(), command: ["sha256sum"], stdin });
    expect(response?.stdout).toBe(`${sum}  -\n`);
  });

  test("no argument is ever more than an argument", async () => {
    const args = [
      "$(touch /tmp/x)",
      "`id`",
      "a b",
      "'\"",
      "\n",
      "*",
      "-n",
      "\u0001\u0002",
      "ü",
      "&|;",
    ];
    const { response } = await exec(page, { ...container(), command: ["printf", "[%s]", ...args] });
    expect(response?.stdout).toBe(args.map((arg) => `[${arg}]`).join(""));
  });

  test("characters are whole, however frames cut them", async () => {
    // A byte at a time, each a frame of its own.
    const script = "printf '\\360'; sleep 0.05; printf '\\237'; sleep 0.05; printf '\\232\\200'";
    const { response } = await exec(page, { ...container(), command: ["sh", "-c", script] });
    expect(response?.stdout).toBe("🚀");
  });

  test("a hundred fast commands lose nothing", async () => {
    const wrong = await page.evaluate(async (container) => {
      const wrong: unknown[] = [];
      let next = 0;
      const work = async () => {
        while (next < 100) {
          const i = next++;
          const result = await client.exec({ ...container, command: ["echo", `${i}`] });
          if (result.response?.stdout !== `${i}\n`) wrong.push([i, result]);
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      return wrong;
    }, container());
    expect(wrong).toEqual([]);
  });

  test("more output than is wanted is left out, and told", async () => {
    const command = ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 4"];
    const { response } = await exec(page, { ...container(), command });
    expect(response).toMatchObject({ exitCode: 4, truncated: true });
    expect(response?.stdout.length).toBe(1_048_576);
  });

  test("output that nobody reads waits where it is made", async () => {
    const result = await page.evaluate(async (container) => {
      const command = ["sh", "-c", "head -c 10485760 /dev/zero; echo done >&2"];
      const shell = client.shell({ ...container, tty: false, stdin: false, command });
      const errors = shell.stderr.getReader();
      const early = await Promise.race([
        errors.read().then(() => "the process went on"),
        new Promise((resolve) => setTimeout(resolve, 1_000, "waiting")),
      ]);
      let size = 0;
      for await (const piece of shell.stdout as unknown as AsyncIterable<Uint8Array>) {
        size += piece.length;
      }
      return { early, size, exit: await shell.exit };
    }, container());
    expect(result).toEqual({ early: "waiting", size: 10_485_760, exit: { code: 0, message: "" } });
  });

  test("standard input that nobody reads waits in the page", async () => {
    const result = await page.evaluate(async (container) => {
      const total = 16 * 1024 * 1024;
      // It reads only when it is told to, which a file does.
      const script = `until [ -e go-on ]; do sleep 0.05; done; rm go-on; head -c ${total} | wc -c`;
      const shell = client.shell({ ...container, tty: false, command: ["sh", "-c", script] });
      const writer = shell.stdin.getWriter();
      let written = 0;
      const writing = (async () => {
        for (; written < total; written += 65_536) await writer.write(new Uint8Array(65_536));
      })();
      let before = -1;
      while (before < written) {
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      await client.exec({ ...container, command: ["touch", "go-on"] });
      await writing;
      const text = await new Response(shell.stdout).text();
      return { before, text: text.trim() };
    }, container());
    expect(result.text).toBe("16777216");
    // What the page, the bridge, the sockets between them and the provider hold.
    expect(result.before).toBeLessThan(12 * 1024 * 1024);
  });

  test("what goes wrong says what it is", async () => {
    const { provider, lease } = stage.fake.ready;
    const closed = { ...container(), lease: { ...lease, dseq: lease.dseq + 1 } };
    const command = ["echo", "hello"];
    const errors = [
      (await exec(page, { ...closed, command })).error,
      (await exec(page, { ...container(), command: ["nosuchprogram"] })).error,
      (await exec(page, { ...container(), service: "nobody", command })).error,
      (await exec(page, { ...container(), replica: 9, command })).error,
      (await exec(page, { ...container(), command: ["sleep", "3"], timeoutMs: 300 })).error,
    ];
    expect(errors.map((error) => [error?.code, error?.reason])).toEqual([
      ["NOT_FOUND", "unknownLease"],
      ["NOT_FOUND", "commandNotFound"],
      ["NOT_FOUND", "unknownService"],
      ["NOT_FOUND", "noRunningPods"],
      ["DEADLINE_EXCEEDED", undefined],
    ]);
    for (const error of errors) expect(error?.message).toContain(provider);
    const dropped = await withFault("shell-drop", () => exec(page, { ...container(), command }));
    expect(dropped.error).toMatchObject({ code: "UNAVAILABLE", reason: "shellBroken" });
    const failed = await withFault("shell-failure", () => exec(page, { ...container(), command }));
    expect(failed.error).toMatchObject({ code: "INTERNAL", reason: "providerFailed" });
    const late = await withFault("shell-late-frames", () =>
      exec(page, { ...container(), command }),
    );
    expect(late.response).toMatchObject({ exitCode: 0, stdout: "hello\n" });
  });

  test("a shell that is closed, or whose page goes, leaves no process behind", async () => {
    await until("no process", 15_000, async () => (await running()) === 0);
    for (const leave of [() => page.evaluate(() => shell.close()), () => page.close()]) {
      await open(page, container());
      await type(page, setPrompt);
      await shown(page, prompt);
      expect(await running()).toBe(1);
      await leave();
      await until("no process", 10_000, async () => (await running()) === 0);
    }
  });

  test("a file goes up and down unharmed, whatever its name and content", async () => {
    const size = Number(process.env.FILE_MB ?? 8) * 1024 * 1024;
    const names = ["$(rm -rf).bin", "a 'b' \"c\".txt", "-rf", "new\nline", "ü/ä.bin"];
    await exec(page, { ...container(), command: ["mkdir", "-p", "ü"] });
    for (const [i, path] of names.entries()) {
      const bytes = i === 0 ? size : 100_000;
      const content = randomBytes(bytes);
      content.write('{"exit_code":0}\n', Math.floor(bytes / 2));
      const sha256 = createHash("sha256").update(content).digest("hex");
      // A page gets as many bytes at a time as a message may have.
      await page.evaluate((size) => {
        payload = new Uint8Array(size);
      }, bytes);
      for (let at = 0; at < bytes; at += 4 << 20) {
        const piece = content.subarray(at, at + (4 << 20)).toString("base64");
        await page.evaluate(
          ([at, piece]) => {
            payload.set(
              Uint8Array.from(atob(piece), (c) => c.charCodeAt(0)),
              at,
            );
          },
          [at, piece] as const,
        );
      }
      const up = await page.evaluate(
        async ([container, path]) => {
          let last = 0;
          const onProgress = ({ transferred }: { transferred: number }) => {
            last = transferred;
          };
          const { response, error } = await client.uploadFile({
            ...container,
            path,
            data: new Blob([payload]),
            onProgress,
          });
          return { response, error: error?.message, last };
        },
        [container(), path] as const,
      );
      expect(up, path).toEqual({
        response: { size: bytes, sha256, verified: true },
        error: undefined,
        last: bytes,
      });
      const down = await page.evaluate(
        async ([container, path]) => {
          const { response, error } = await client.downloadFile({ ...container, path });
          if (error) return { error: error.message };
          const bytes = new Uint8Array(await new Response(response.stream).arrayBuffer());
          const equal = bytes.length === payload.length && bytes.every((b, i) => b === payload[i]);
          return { size: response.size, equal, summary: await response.done };
        },
        [container(), path] as const,
      );
      expect(down, path).toEqual({
        size: bytes,
        equal: true,
        summary: { size: bytes, sha256, verified: true },
      });
    }
  });

  test("a directory goes down as an archive, and up again", async () => {
    await exec(page, {
      ...container(),
      command: [
        "sh",
        "-c",
        "rm -rf from to; mkdir -p from/sub; echo one >from/a; echo two >from/sub/-b; ln -s a from/link",
      ],
    });
    const result = await page.evaluate(async (container) => {
      const down = await client.downloadFile({ ...container, path: "from", directory: true });
      if (down.error) return down.error.message;
      const archive = await new Response(down.response.stream).blob();
      const up = await client.uploadFile({
        ...container,
        path: "to",
        data: archive,
        directory: true,
      });
      return up.error
        ? up.error.message
        : [await down.response.done, archive.size, up.response.verified, up.response.sha256];
    }, container());
    const [{ size, sha256, verified }, ...rest] = result as [FileSummary, ...unknown[]];
    expect(verified).toBe(true);
    expect(rest).toEqual([size, true, sha256]);
    const { response } = await exec(page, {
      ...container(),
      command: ["diff", "-r", "from", "to"],
    });
    expect(response).toMatchObject({ exitCode: 0, stdout: "" });
  });

  test("a directory that cannot be read whole is an error", async () => {
    const result = await page.evaluate(async (container) => {
      const { response, error } = await client.downloadFile({
        ...container,
        path: "no/such/folder",
        directory: true,
      });
      if (error) return error.reason;
      return response.stream.pipeTo(new WritableStream()).then(
        () => "whole",
        ({ reason, message }) => [reason, message],
      );
    }, container());
    expect(result).toEqual(["fileFailed", expect.stringMatching(/no such file/i)]);
  });

  test.each([false, true])(
    "an upload that breaks off leaves nothing behind (directory: %s)",
    async (directory) => {
      const folder = `broken-${directory}`;
      await exec(page, { ...container(), command: ["sh", "-c", `mkdir -p ${folder}`] });
      const files = async () => {
        const { response } = await exec(page, { ...container(), command: ["ls", "-A", folder] });
        return `${response?.stdout}`;
      };
      const path = directory ? folder : `${folder}/file`;
      await page.evaluate(
        ([container, path, directory]) => {
          const leaving = new AbortController();
          const data = new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(100_000)),
          });
          const options = { ...container, path, data, size: 200_000, directory };
          const outcome = client
            .uploadFile({ ...options, signal: leaving.signal })
            .then(({ error }) => error?.code);
          Object.assign(globalThis, { leaving, outcome });
        },
        [container(), path, directory] as const,
      );
      await until("it has begun", 10_000, async () => (await files()).endsWith(".part\n"));
      expect(await page.evaluate("leaving.abort(), outcome")).toBe("CANCELLED");
      await until("it is removed", 10_000, async () => (await files()) === "");
      await until("no process", 10_000, async () => (await running()) === 0);
    },
  );

  test("transfers that cannot be say why", async () => {
    const down = (path: string, more = {}) =>
      page.evaluate(
        async ([container, path]) => {
          const { error } = await client.downloadFile({ ...container, path });
          return error && [error.code, error.reason, error.message];
        },
        [{ ...container(), ...more }, path] as const,
      );
    const up = (path: string) =>
      page.evaluate(
        async ([container, path]) => {
          const { error } = await client.uploadFile({ ...container, path, data: "x" });
          return error && [error.code, error.reason, error.message];
        },
        [container(), path] as const,
      );
    expect(await down("nosuchfile")).toEqual([
      "NOT_FOUND",
      "fileFailed",
      expect.stringMatching(/no such file/i),
    ]);
    expect(await down("/etc")).toEqual([
      "FAILED_PRECONDITION",
      "fileFailed",
      expect.stringContaining("directory"),
    ]);
    expect(await up("no/such/folder/x")).toEqual(["NOT_FOUND", "fileFailed", expect.any(String)]);
    await withFault("shell-bare", async () => {
      const missing = [
        "FAILED_PRECONDITION",
        "toolMissing",
        expect.stringMatching(/has no (cat|head)/),
      ];
      expect(await down("x")).toEqual(missing);
      expect(await up("x")).toEqual(missing);
      const { error } = await exec(page, { ...container(), command: ["sh"], stdin: "echo" });
      expect(error).toMatchObject({
        reason: "toolMissing",
        message: expect.stringContaining("head"),
      });
    });
  });

  test("a download that breaks off fails, and does not just end", async () => {
    const result = await withFault("shell-drop", () =>
      page.evaluate(async (container) => {
        const { response, error } = await client.downloadFile({ ...container, path: "/bin/sh" });
        if (error) return error.reason;
        // Not by a Response, which has an error of its own for whatever goes wrong.
        return await response.stream.pipeTo(new WritableStream()).then(
          () => "whole",
          (error) => error.reason,
        );
      }, container()),
    );
    expect(result).toBe("shellBroken");
  });
});
