// Simulated providers and a gateway, each a child process on free loopback ports, and what the tests share.
//
// `cargo xtask test` sets RINGMAIN_BIN and PROVIDER_SIM_BIN. By hand:
//
//     npm ci && RINGMAIN_BIN=../../target/debug/ringmain PROVIDER_SIM_BIN=../../target/debug/provider-sim npm test

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 10_000;
export const KEY = "sk-of-the-caller";

// A model of each vendor that the catalog knows; `items` is a compatible server that is asked in OpenAI's Responses.
export const VENDORS = {
  openai: "gpt-4o",
  items: "some-model",
  anthropic: "claude-sonnet-4-6",
  gemini: "gemini-2.5-flash-lite",
  bedrock: "anthropic.claude-sonnet-4-6",
  cohere: "command-a-plus-05-2026",
};
export const target = (vendor) => `${vendor}/${VENDORS[vendor]}`;

// What the simulated vendors do, and the status of it that a caller is to see.
export const FAULTS = {
  "bad-request": 400,
  unprocessable: 422,
  "model-not-found": 404,
  "rate-limit=60": 429,
  "server-error": 500,
};
export const failing = (fault, vendor) => `${fault.split("=")[0]}-${vendor}/some-model`;

// No retries of the gateway's own, so that what a client does itself is seen. No test waits for these clocks.
const DEFAULTS = {
  timeouts: { connect: "10s", race_after: "30s", first_token: "30s", idle: "30s", total: "60s" },
  retries: { attempts: 1 },
  breaker: { failures: 1000, error_rate: "100%" },
  affinity: "off",
};

const KINDS = { items: { kind: "openai-compatible", dialect: "openai-responses" } };

function provider(sim, label, vendor) {
  const { kind, ...more } = KINDS[vendor] ?? { kind: vendor };
  const root = `${sim.url}/p/${label}`;
  return { kind, base_url: kind.startsWith("openai") ? `${root}/v1` : root, keys: ["sk-test"], ...more };
}

function program(variable) {
  const path = process.env[variable];
  assert.ok(path, `${variable} is not set; run \`cargo xtask test\``);
  return path;
}

// Ports that were free a moment ago, all held until the last is found: asked for one by one, one can come twice.
async function freePorts(count) {
  const probes = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(probes.map((probe) => once(probe, "listening")));
  const ports = probes.map((probe) => probe.address().port);
  await Promise.all(probes.map((probe) => new Promise((closed) => probe.close(closed))));
  return ports;
}

// Keys, base URLs and proxies of the surroundings reach nobody.
const unwanted = /(_API_KEY|_BASE_URL|_AUTH_TOKEN|_PROXY|_proxy)$|^AWS_/;
for (const name of Object.keys(process.env)) if (unwanted.test(name)) delete process.env[name];
// The AI SDK would say on standard error what it believes of models that it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

class Process {
  constructor(folder, name, command, args) {
    this.name = name;
    this.log = join(folder, `${name}-${Math.random().toString(36).slice(2)}.log`);
    const out = openSync(this.log, "w");
    this.child = spawn(command, args, { cwd: folder, stdio: ["ignore", out, out] });
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
  }

  output() {
    return readFileSync(this.log, "utf8");
  }

  async until(url) {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline) {
      assert.equal(this.child.exitCode, null, `${this.name} has ended:\n${this.output()}`);
      if (
        await fetch(url).then(
          (answer) => answer.ok,
          () => false,
        )
      )
        return;
      await sleep(20);
    }
    assert.fail(`${this.name} is not up in time:\n${this.output()}`);
  }

  async stop() {
    this.child.kill();
    const late = setTimeout(() => this.child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.ended;
    clearTimeout(late);
  }
}

class Sim extends Process {
  async behave(label, behavior) {
    const body = JSON.stringify(behavior);
    const answer = await fetch(`${this.url}/_sim/behavior/${label}`, { method: "PUT", body });
    assert.ok(answer.ok, `provider-sim refused ${body}`);
  }

  // What a provider was sent, oldest first.
  async received(label) {
    const { entries } = await (await fetch(`${this.url}/_sim/log`)).json();
    return entries.filter((entry) => entry.label === label);
  }

  async forget() {
    await fetch(`${this.url}/_sim/log`, { method: "DELETE" });
  }
}

// Simulated vendors, healthy and failing, and a gateway in front of them. `close` ends them.
export async function world() {
  const folder = mkdtempSync(join(tmpdir(), "ringmain-node-"));
  const running = [];
  const start = async (kind, name, command, args, url, up) => {
    const process = new kind(folder, name, command, args);
    running.push(process);
    process.url = url;
    await process.until(`${url}${up}`);
    return process;
  };
  const [simPort] = await freePorts(1);
  const simAddress = `127.0.0.1:${simPort}`;
  const simArgs = ["--listen", simAddress];
  const sim = await start(
    Sim,
    "provider-sim",
    program("PROVIDER_SIM_BIN"),
    simArgs,
    `http://${simAddress}`,
    "/_sim/faults",
  );
  const gateway = async (config, host = "127.0.0.1") => {
    const [port, admin] = await freePorts(2);
    const server = { listen: `${host}:${port}`, admin: `127.0.0.1:${admin}`, ...config.server };
    const path = join(folder, `ringmain-${port}.yaml`);
    writeFileSync(path, JSON.stringify({ ...config, server })); // JSON is YAML.
    const args = ["serve", "--config", path];
    return start(Process, "ringmain", program("RINGMAIN_BIN"), args, `http://127.0.0.1:${port}`, "/readyz");
  };
  const providers = {};
  for (const vendor of Object.keys(VENDORS)) {
    providers[vendor] = provider(sim, vendor, vendor);
    // Each fault with a provider of its own: a limited key is not asked again.
    for (const fault of Object.keys(FAULTS)) {
      const label = failing(fault, vendor).split("/")[0];
      await sim.behave(label, { fault });
      providers[label] = provider(sim, label, vendor);
    }
  }
  const main = await gateway({ providers, defaults: DEFAULTS });
  const strict = { max_body: "4KiB", admin_secret: "sk-of-the-operator" };
  const openai = provider(sim, "strict", "openai");
  const narrow = await gateway({ server: strict, providers: { openai } }, "0.0.0.0");
  const close = async () => {
    await Promise.all(running.reverse().map((process) => process.stop()));
    rmSync(folder, { recursive: true });
  };
  return { sim, url: main.url, narrow: narrow.url, secret: strict.admin_secret, close };
}

export const WEATHER = {
  name: "get_weather",
  description: "The weather of a city",
  schema: {
    type: "object",
    properties: { city: { type: "string" }, degrees: { type: "integer" } },
    required: ["city", "degrees"],
    additionalProperties: false,
  },
};
export const TIME = {
  name: "get_time",
  description: "The time of a city",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
};

// A white pixel.
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4//8/AAX+Av4N70a4AAAAAElFTkSuQmCC";

// A test for each vendor, plain and streamed: `check(vendor, stream)`.
export function each(test, name, check, vendors = Object.keys(VENDORS)) {
  for (const vendor of vendors)
    for (const stream of [false, true])
      test(`${name}, ${vendor}, ${stream ? "streamed" : "plain"}`, () => check(vendor, stream));
}

// A test for each vendor.
export function forEach(test, name, check) {
  for (const vendor of Object.keys(VENDORS)) test(`${name}, ${vendor}`, () => check(vendor));
}
