// OpenAI's SDK, Chat Completions and Responses, as the caller of every vendor.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { FAULTS, KEY, PNG, TIME, VENDORS, WEATHER, each, failing, forEach, target, world } from "./support.mjs";

let here;
let client;
const to = (url, more) => new OpenAI({ apiKey: KEY, baseURL: `${url}/v1`, maxRetries: 0, ...more });
before(async () => {
  here = await world();
  client = to(here.url);
});
after(() => here?.close());

const Weather = z.object({ city: z.string(), degrees: z.number().int() });
const ERRORS = {
  400: OpenAI.BadRequestError,
  404: OpenAI.NotFoundError,
  422: OpenAI.UnprocessableEntityError,
  429: OpenAI.RateLimitError,
  500: OpenAI.InternalServerError,
};

const chatTools = [WEATHER, TIME].map(({ name, description, schema }) => ({
  type: "function",
  function: { name, description, parameters: schema, strict: true },
}));

// One answer of Chat Completions, in few words.
async function chat(client, model, stream, content, more = {}) {
  const body = { model, messages: [{ role: "user", content }], ...more };
  const completion = stream
    ? await client.chat.completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion()
    : await client.chat.completions.create(body);
  const [{ message, finish_reason }] = completion.choices;
  const calls = (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  return { text: message.content ?? "", calls, finish: finish_reason, output: completion.usage.completion_tokens };
}

describe("chat", () => {
  const CASES = {
    text: ["hello", {}],
    "system and limits": ["hello", { max_completion_tokens: 50, temperature: 0.5, stop: ["@"] }],
    image: [
      [
        { type: "text", text: "what is this" },
        { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } },
      ],
      {},
    ],
    "parallel tools": ["call:2 in Paris", { tools: chatTools }],
    "tool choice": ["hello", { tools: chatTools, tool_choice: { type: "function", function: { name: "get_time" } } }],
  };
  for (const [name, [content, more]] of Object.entries(CASES))
    each(test, name, async (vendor, stream) => {
      const own = await chat(to(`${here.sim.url}/p/openai`), VENDORS.openai, stream, content, more);
      assert.deepEqual(await chat(client, target(vendor), stream, content, more), own);
      assert.ok(own.text || own.calls.length);
    });

  each(test, "structured output is parsed", async (vendor, stream) => {
    const response_format = zodResponseFormat(Weather, "weather");
    const body = { model: target(vendor), messages: [{ role: "user", content: "hello" }], response_format };
    const completion = stream
      ? await client.chat.completions.stream(body).finalChatCompletion()
      : await client.chat.completions.parse(body);
    assert.equal(typeof completion.choices[0].message.parsed.degrees, "number");
  });

  each(test, "the tool runner goes round", async (vendor, stream) => {
    const asked = [];
    const run = ({ city }) => asked.push(city) && "noon";
    const parameters = z.object({ city: z.string() });
    const tools = [zodFunction({ name: "get_time", description: "The time", parameters, function: run })];
    const messages = [{ role: "user", content: "call:get_time in Paris" }];
    const runner = client.chat.completions.runTools({ model: target(vendor), messages, tools, stream });
    const text = await runner.finalContent();
    assert.deepEqual(asked, ["Zürich 東京"]);
    assert.equal(text.split(" ").length, 16);
  });

  forEach(test, "a stream that breaks raises", async (vendor) => {
    for (const fault of ["cut=5", "error-event=5:overloaded"]) {
      const messages = [{ role: "user", content: "hello" }];
      const stream = await client.chat.completions.create({
        model: `${target(vendor)}@${fault}`,
        messages,
        stream: true,
      });
      let text = "";
      const all = async () => {
        for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
      };
      await assert.rejects(all, OpenAI.APIError);
      assert.ok(text, "what came before it is there");
    }
  });
});

// One answer of the Responses API, in few words.
async function respond(client, model, stream, input, more = {}) {
  const body = { model, input, store: false, ...more };
  const response = stream ? await client.responses.stream(body).finalResponse() : await client.responses.create(body);
  const calls = response.output.filter((item) => item.type === "function_call");
  return {
    text: response.output_text,
    calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
    status: response.status,
    output: response.usage.output_tokens,
  };
}

const itemTools = [WEATHER, TIME].map(({ name, description, schema }) => ({
  type: "function",
  name,
  description,
  parameters: schema,
  strict: true,
}));

describe("responses", () => {
  const image = { type: "input_image", image_url: `data:image/png;base64,${PNG}`, detail: "auto" };
  const CASES = {
    text: ["hello", {}],
    instructions: ["hello", { instructions: "Speak like a pirate.", temperature: 0.5 }],
    image: [[{ role: "user", content: [{ type: "input_text", text: "what is this" }, image] }], {}],
    "parallel tools": ["call:2 in Paris", { tools: itemTools }],
    "tool choice": ["hello", { tools: itemTools, tool_choice: { type: "function", name: "get_time" } }],
  };
  for (const [name, [input, more]] of Object.entries(CASES))
    each(test, name, async (vendor, stream) => {
      const own = await respond(to(`${here.sim.url}/p/openai`), VENDORS.openai, stream, input, more);
      assert.deepEqual(await respond(client, target(vendor), stream, input, more), own);
      assert.ok(own.text || own.calls.length);
    });

  each(test, "structured output is parsed", async (vendor, stream) => {
    const body = { model: target(vendor), input: "hello", text: { format: zodTextFormat(Weather, "weather") } };
    const response = stream ? await client.responses.stream(body).finalResponse() : await client.responses.parse(body);
    assert.equal(typeof response.output_parsed.degrees, "number");
  });

  each(test, "what came back is sent again with its results", async (vendor, stream) => {
    const input = [{ role: "user", content: "call:2 in Paris" }];
    const body = { model: target(vendor), input, tools: itemTools, store: false };
    const first = stream ? await client.responses.stream(body).finalResponse() : await client.responses.create(body);
    input.push(...first.output);
    for (const item of first.output)
      if (item.type === "function_call")
        input.push({ type: "function_call_output", call_id: item.call_id, output: "fine" });
    const again = await respond(client, target(vendor), stream, input, { tools: itemTools });
    assert.deepEqual([again.calls, again.status, again.text.split(" ").length], [[], "completed", 16]);
  });

  forEach(test, "events are numbered and end once", async (vendor) => {
    const types = [];
    const stream = await client.responses.create({ model: target(vendor), input: "hello", stream: true });
    for await (const event of stream) {
      assert.equal(event.sequence_number, types.length);
      types.push(event.type);
    }
    assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
  });
});

describe("errors", () => {
  for (const [fault, status] of Object.entries(FAULTS))
    each(test, fault, async (vendor, stream) => {
      // A model that is missing is not asked for twice.
      const model = `${failing(fault, vendor)}-${stream}`;
      const messages = [{ role: "user", content: "hello" }];
      for (const ask of [
        () => client.chat.completions.create({ model, messages, stream }),
        () => client.responses.create({ model: `${model}-2`, input: "hello", stream }),
      ])
        await assert.rejects(ask, (error) => {
          assert.equal(error.constructor, ERRORS[status], `${error}`);
          assert.equal(error.status, status);
          assert.ok(error.requestID, "it can be asked about");
          assert.ok(error.error.message && error.type !== undefined && error.code !== undefined);
          return true;
        });
    });

  test("a key that is none", async () => {
    const ask = (apiKey) => to(here.narrow, { apiKey }).models.list();
    await assert.rejects(ask("sk-wrong"), OpenAI.AuthenticationError);
    assert.ok((await ask(here.secret)).data.length);
  });

  test("a body over the limit", async () => {
    const messages = [{ role: "user", content: "x".repeat(5000) }];
    const ask = to(here.narrow, { apiKey: here.secret }).chat.completions.create({ model: target("openai"), messages });
    await assert.rejects(ask, (error) => error.status === 413 && error instanceof OpenAI.APIError);
  });

  forEach(test, "its own retries", async (vendor) => {
    const patient = to(here.url, { maxRetries: 2 });
    const ask = (model) => patient.chat.completions.create({ model, messages: [{ role: "user", content: "hello" }] });
    const count = async (model) => (await here.sim.received(vendor)).filter((entry) => entry.model === model).length;
    const flaky = `some-model@fail-first=1:unavailable`;
    assert.ok((await ask(`${vendor}/${flaky}`)).choices.length);
    assert.equal(await count(flaky), 2);
    await assert.rejects(ask(`${vendor}/some-model@bad-request`), OpenAI.BadRequestError);
    assert.equal(await count("some-model@bad-request"), 1);
  });
});

test("the list of models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("smart") && names.includes(target("anthropic")));
});

test("headers of an answer", async () => {
  const { data, response, request_id } = await client.chat.completions
    .create({ model: target("gemini"), messages: [{ role: "user", content: "hello" }] })
    .withResponse();
  assert.equal(response.headers.get("x-ringmain-target"), target("gemini"));
  assert.ok(request_id && data._request_id);
});
