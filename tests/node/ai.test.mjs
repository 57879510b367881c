// Vercel's AI SDK with its OpenAI (Responses and Chat), Anthropic and Google providers, as the caller of every vendor.
// It reads answers by strict schemas of its own, and drives tools by itself.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import {
  APICallError,
  NoObjectGeneratedError,
  Output,
  RetryError,
  generateText,
  isStepCount,
  streamText,
  tool,
} from "ai";
import { z } from "zod";
import { FAULTS, KEY, PNG, VENDORS, each, failing, forEach, target, world } from "./support.mjs";

let here;
before(async () => (here = await world()));
after(() => here?.close());

// Each of its providers as a caller of a server: the vendor it is made for, and its model of a name.
const CALLERS = {
  responses: ["openai", (url) => createOpenAI({ apiKey: KEY, baseURL: `${url}/v1` }).responses],
  chat: ["openai", (url) => createOpenAI({ apiKey: KEY, baseURL: `${url}/v1` }).chat],
  anthropic: ["anthropic", (url) => createAnthropic({ apiKey: KEY, baseURL: `${url}/v1` })],
  google: ["gemini", (url) => createGoogle({ apiKey: KEY, baseURL: `${url}/v1beta` })],
};

// One answer, plain or streamed; a stream's errors are thrown, as a plain answer's are.
async function ask(model, stream, more) {
  const options = { model, maxRetries: 0, ...more };
  if (!stream) return generateText(options);
  let failed;
  const answer = streamText({ ...options, onError: ({ error }) => (failed ??= error) });
  let streamed = "";
  for await (const piece of answer.textStream) streamed += piece;
  if (failed) throw Object.assign(failed, { streamed });
  const [text, finishReason, toolCalls, totalUsage, steps, reasoningText] = await Promise.all(
    ["text", "finishReason", "toolCalls", "totalUsage", "steps", "reasoningText"].map((name) => answer[name]),
  );
  const output = more.output && (await answer.output);
  return { text, finishReason, toolCalls, totalUsage, steps, reasoningText, output };
}

const gist = ({ text, finishReason, toolCalls, totalUsage }) => ({
  text,
  finishReason,
  calls: toolCalls.map((call) => [call.toolName, call.input]),
  output: totalUsage.outputTokens,
});

const city = z.object({ city: z.string() });
const offered = {
  get_weather: tool({
    description: "The weather",
    inputSchema: z.object({ city: z.string(), degrees: z.number() }),
    strict: true,
  }),
  get_time: tool({ description: "The time", inputSchema: city, strict: true }),
};
const image = { type: "file", mediaType: "image/png", data: Buffer.from(PNG, "base64") };

const CASES = {
  text: { prompt: "hello" },
  "system and limits": { instructions: "Speak like a pirate.", prompt: "hello", maxOutputTokens: 20, temperature: 0.5 },
  image: { messages: [{ role: "user", content: [{ type: "text", text: "what is this" }, image] }] },
  "parallel tools": { prompt: "call:2 in Paris", tools: offered },
  "tool choice": { prompt: "hello", tools: offered, toolChoice: { type: "tool", toolName: "get_time" } },
};

for (const [caller, [of, make]] of Object.entries(CALLERS))
  describe(caller, () => {
    const model = (name) => make(here.url)(name);

    for (const [name, more] of Object.entries(CASES))
      each(test, name, async (vendor, stream) => {
        const own = gist(await ask(make(`${here.sim.url}/p/${of}`)(VENDORS[of]), stream, more));
        assert.deepEqual(gist(await ask(model(target(vendor)), stream, more)), own);
        assert.ok(own.text || own.calls.length);
      });

    each(test, "structured output", async (vendor, stream) => {
      const output = Output.object({ schema: z.object({ city: z.string(), degrees: z.number().int() }) });
      const answer = await ask(model(target(vendor)), stream, { prompt: "hello", output });
      assert.equal(typeof answer.output.degrees, "number");
    });

    each(test, "tools go round", async (vendor, stream) => {
      const asked = [];
      const get_time = tool({
        description: "The time",
        inputSchema: city,
        execute: ({ city }) => asked.push(city) && "noon",
      });
      const more = { prompt: "call:get_time in Paris", tools: { get_time }, stopWhen: isStepCount(5) };
      const answer = await ask(model(target(vendor)), stream, more);
      assert.deepEqual(asked, ["Zürich 東京"]);
      assert.deepEqual([answer.steps.length, answer.finishReason], [2, "stop"]);
      assert.equal(answer.text.split(" ").length, 16);
    });

    forEach(test, "a stream that breaks is an error", async (vendor) => {
      for (const fault of ["cut=5", "error-event=5:overloaded"]) {
        const broken = ask(model(`${target(vendor)}@${fault}`), true, { prompt: "hello" });
        await assert.rejects(broken, (error) => {
          assert.ok(error.streamed, `what came before it is there: ${error}`);
          return true;
        });
      }
    });

    for (const [fault, status] of Object.entries(FAULTS))
      each(test, fault, async (vendor, stream) => {
        // A model that is missing is not asked for twice.
        const asked = ask(model(`${failing(fault, vendor)}-${caller}-${stream}`), stream, { prompt: "hello" });
        await assert.rejects(asked, (error) => {
          assert.ok(APICallError.isInstance(error), `${error}`);
          assert.equal(error.statusCode, status);
          assert.equal(error.isRetryable, status === 429 || status >= 500);
          assert.ok(error.data?.error, "the body is an error of its dialect");
          assert.ok(error.message && error.responseHeaders["x-ringmain-request-id"]);
          return true;
        });
      });

    // All vendors at once: it waits two seconds.
    test("its own retries", async () => {
      const check = async (vendor) => {
        const count = async (name) => (await here.sim.received(vendor)).filter((entry) => entry.model === name).length;
        const flaky = `${caller}@fail-first=1:unavailable`;
        assert.ok((await ask(model(`${vendor}/${flaky}`), false, { prompt: "hello", maxRetries: 2 })).text);
        assert.equal(await count(flaky), 2);
        const wrong = ask(model(`${vendor}/${caller}@bad-request`), false, { prompt: "hello", maxRetries: 2 });
        await assert.rejects(wrong, (error) => APICallError.isInstance(error) && !RetryError.isInstance(error));
        assert.equal(await count(`${caller}@bad-request`), 1);
      };
      await Promise.all(Object.keys(VENDORS).map(check));
    });
  });

test("an answer that is none of the schema is said to be none", async () => {
  const output = Output.object({
    schema: z.object({ city: z.literal("Atlantis and nothing else") }).refine(() => false),
  });
  const model = CALLERS.chat[1](here.url)(target("anthropic"));
  await assert.rejects(ask(model, false, { prompt: "hello", output }), (error) =>
    NoObjectGeneratedError.isInstance(error),
  );
});
