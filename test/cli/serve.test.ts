/** `inkling serve` as a process: what it says, how it stops, and that no kill loses anything. */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { Job, ModelList } from "../../src/server/index.ts";
import { ends, expectOneMessage, inferenceProcess, model, run, workingFolder } from "../support/binary.ts";
import { type Attack, ask, attack, startServing } from "../support/kill-server.ts";
import { credentials, s3Double } from "../support/s3.ts";

const folder = workingFolder();

const request = { prompt: "a small red house", width: 64, height: 64, steps: 2, seed: 7, sampler: "Euler" };

describe("inkling serve", () => {
  it("draws what the command line draws, bit for bit", async () => {
    const drawn = ["generate", request.prompt, "--model", model, "--size", "64", "--steps", "2", "--seed", "7"];
    const one = await run([...drawn, "--sampler", "Euler", "-o", "one.png"], { cwd: folder.cwd });
    expect(one.code).toBe(0);
    const serving = await startServing(folder.path("data"), folder.cwd);
    const { id } = await ask<Job>(`${serving.url}/api/jobs`, "POST", request);
    const events = await (await fetch(`${serving.url}/api/jobs/${id}/events`)).text();
    expect(events).toMatch(/event: start\n.*event: image\n.*event: done\n/s);
    const bytes = Buffer.from(await (await fetch(`${serving.url}/api/pictures/${id}-0`)).arrayBuffer());
    expect(bytes.equals(readFileSync(folder.path("one.png")))).toBe(true);
    const { models } = await ask<ModelList>(`${serving.url}/api/models`);
    expect(models).toMatchObject([{ default: true, loaded: true, defaults: { steps: 50 } }]);
    serving.child.kill("SIGTERM");
    expect((await serving.finished).code).toBe(143);
  });

  it("refuses a port that is taken, a folder that another has, and an open door", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as { port: number };
    const args = ["serve", "--data", "data", "--model", model];
    const taken = await run([...args, "--port", String(port)], { cwd: folder.cwd });
    other.close();
    expectOneMessage(taken, `Port ${port} of 127.0.0.1 is taken`, "--port");
    expect(taken.code).toBe(1);
    const open = await run([...args, "--port", "0", "--host", "0.0.0.0"], { cwd: folder.cwd });
    expectOneMessage(open, "Whoever reaches 0.0.0.0 could draw here", "--new-key");
    const serving = await startServing(folder.path("data"), folder.cwd);
    const second = await run([...args, "--port", "0"], { cwd: folder.cwd });
    expectOneMessage(second, "Another server has data open");
    serving.child.kill("SIGKILL");
    await serving.finished;
  });

  it("keeps pictures in a bucket, and does not start where it may not", async () => {
    const s3 = await s3Double();
    try {
      const { accessKeyId, secretAccessKey } = credentials;
      const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      const pictures = ["--pictures", "s3://pictures/mine", "--s3-endpoint", s3.endpoint];
      const refuse = (args: string[], given = {}) =>
        run(["serve", "--port", "0", "--data", "data", "--model", model, "--log-level", "silent", ...args], {
          cwd: folder.cwd,
          env: given,
        });
      expectOneMessage(await refuse(pictures), "AWS_ACCESS_KEY_ID");
      const wrong = await refuse(pictures, { ...env, AWS_SECRET_ACCESS_KEY: "wrong" });
      expectOneMessage(wrong, "s3://pictures/mine/", "refuses the credentials");
      expect(wrong.code).toBe(1);
      expect((await refuse(["--s3-endpoint", s3.endpoint], env)).code).toBe(2);
      const serving = await startServing(folder.path("data"), folder.cwd, pictures, env);
      const { id } = await ask<Job>(`${serving.url}/api/jobs`, "POST", request);
      await (await fetch(`${serving.url}/api/jobs/${id}/events`)).text();
      const bytes = Buffer.from(await (await fetch(`${serving.url}/api/pictures/${id}-0`)).arrayBuffer());
      expect(s3.files.get(`mine/${id}-0.png`)?.equals(bytes)).toBe(true);
      serving.child.kill("SIGTERM");
      expect((await serving.finished).stderr).not.toContain(secretAccessKey);
    } finally {
      await s3.close();
    }
  });

  it("opened to a network asks for a key that was made for it", async () => {
    const keys = ["--api-key-file", "keys.txt"];
    const made = await run(["serve", "--data", "data", ...keys, "--new-key", "anna"], { cwd: folder.cwd });
    const key = made.stdout.trim();
    expect(key).toMatch(/^ink_[\w-]{43}$/);
    expect(readFileSync(folder.path("keys.txt"), "utf8")).not.toContain(key);
    const serving = await startServing(folder.path("data"), folder.cwd, ["--host", "0.0.0.0", ...keys]);
    expect((await fetch(`${serving.url}/api/jobs`)).status).toBe(401);
    expect((await fetch(`${serving.url}/api/jobs`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    expect((await fetch(`${serving.url}/healthz`)).status).toBe(200);
    serving.child.kill("SIGTERM");
    await serving.finished;
  });

  it("when stopped queues again what takes too long, tells who watches, and leaves no process", async () => {
    const serving = await startServing(folder.path("data"), folder.cwd, ["--grace", "0.2"]);
    const { id } = await ask<Job>(`${serving.url}/api/jobs`, "POST", { ...request, steps: 990 });
    const watching = fetch(`${serving.url}/api/jobs/${id}/events`).then((answer) => answer.text());
    while ((await ask<Job>(`${serving.url}/api/jobs/${id}`)).progress === null);
    serving.child.kill("SIGTERM");
    expect(await watching).toMatch(/event: step\n.*event: stopping\n/s);
    expect((await serving.finished).code).toBe(143);
    expect(await ends(serving.child.pid!)).toBe(true);
    const again = await startServing(folder.path("data"), folder.cwd);
    const job = await ask<Job>(`${again.url}/api/jobs/${id}`);
    expect(["queued", "running"]).toContain(job.state);
    expect((await ask<Job>(`${again.url}/api/jobs/${id}`, "DELETE")).state).toBe("cancelled");
    again.child.kill("SIGTERM");
    await again.finished;
  });

  it("when stopped lets what is drawn come to its end, where its grace is long enough", async () => {
    const serving = await startServing(folder.path("data"), folder.cwd, ["--grace", "30"]);
    const { id } = await ask<Job>(`${serving.url}/api/jobs`, "POST", { ...request, steps: 300 });
    const watching = fetch(`${serving.url}/api/jobs/${id}/events`).then((answer) => answer.text());
    while ((await ask<Job>(`${serving.url}/api/jobs/${id}`)).progress === null);
    serving.child.kill("SIGTERM");
    while ((await fetch(`${serving.url}/readyz`)).ok);
    // It has heard, and is in the midst of it.
    const meanwhile = await ask<Job>(`${serving.url}/api/jobs/${id}`);
    expect(meanwhile.state).toBe("running");
    expect(meanwhile.progress!.call).toBeLessThan(300);
    expect(meanwhile.secondsLeft).toBeGreaterThan(0);
    expect(await watching).toMatch(/event: image\n.*event: done\n/s);
    expect((await serving.finished).code).toBe(143);
    const again = await startServing(folder.path("data"), folder.cwd);
    const job = await ask<Job>(`${again.url}/api/jobs/${id}`);
    expect(job).toMatchObject({ state: "done", attempts: 1, pictures: [{ id: `${id}-0` }] });
    expect((await fetch(`${again.url}/api/pictures/${id}-0`)).status).toBe(200);
    again.child.kill("SIGTERM");
    await again.finished;
  });

  it("begins a job again where the process that computes was killed, in the same life", async () => {
    const serving = await startServing(folder.path("data"), folder.cwd);
    const { id } = await ask<Job>(`${serving.url}/api/jobs`, "POST", { ...request, steps: 60 });
    while ((await ask<Job>(`${serving.url}/api/jobs/${id}`)).progress === null);
    process.kill(await inferenceProcess(serving), "SIGKILL");
    const events = await (await fetch(`${serving.url}/api/jobs/${id}/events`)).text();
    expect(events).toMatch(/"attempt":2.*event: done\n/s);
    serving.child.kill("SIGTERM");
    await serving.finished;
  });

  it("killed at any moment loses no accepted job and no finished picture", async () => {
    // Moments from its first breath to the midst of its work; INKLING_KILLS asks for more of them.
    const count = Number(process.env["INKLING_KILLS"] ?? 6);
    const attacks = Array.from(
      { length: count },
      (_, i): Attack => ({
        victim: i % 3 === 2 ? "inference process" : "server",
        after: count > 6 ? Math.random() * 2500 : [40, 700, 900, 1300, 300, 1600][i]!,
      }),
    );
    const toll = await attack(folder.path("data"), folder.cwd, attacks);
    if (count > 6) console.log(JSON.stringify(toll));
    expect(toll.losses).toEqual([]);
    expect(toll.kills.server + toll.kills["inference process"]).toBe(count);
    expect(toll.accepted).toBeGreaterThan(count);
    expect(toll.begunAgain).toBeGreaterThan(0);
  }, 600_000);
});
