// Anthropic's SDK as the caller of every vendor.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { FAULTS, KEY, PNG, TIME, VENDORS, WEATHER, each, failing, forEach, target, world } from "./support.mjs";

let here;
let client;
const to = (url, more) => new Anthropic({ apiKey: KEY, baseURL: url, maxRetries: 0, ...more });
before(async () => {
  here = await world();
  client = to(here.url);
});
after(() => here?.close());

const ERRORS = {
  400: Anthropic.BadRequestError,
  404: Anthropic.NotFoundError,
  422: Anthropic.UnprocessableEntityError,
  429: Anthropic.RateLimitError,
  500: Anthropic.InternalServerError,
};
const TOOLS = [WEATHER, TIME].map(({ name, description, schema }) => ({ name, description, input_schema: schema }));

const ask = (client, model, stream, content, more = {}) => {
  const body = { model, max_tokens: 1000, messages: [{ role: "user", content }], ...more };
  return stream ? client.messages.stream(body).finalMessage() : client.messages.create(body);
};

// An answer, in few words.
function gist({ content, stop_reason, usage }) {
  return {
    text: content
      .filter((block) => block.type === "text")
      .map((block) => block.text)
      .join(""),
    calls: content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
    stop_reason,
    output: usage.output_tokens,
  };
}

describe("messages", () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };
  const CASES = {
    text: ["hello", {}],
    "system and limits": ["hello", { system: "Speak like a pirate.", max_tokens: 5, stop_sequences: ["@"] }],
    image: [[{ type: "text", text: "what is this" }, image], {}],
    "parallel tools": ["call:2 in Paris", { tools: TOOLS }],
    "tool choice": ["hello", { tools: TOOLS, tool_choice: { type: "tool", name: "get_time" } }],
  };
  for (const [name, [content, more]] of Object.entries(CASES))
    each(test, name, async (vendor, stream) => {
      // OpenAI's Responses knows no limit below 16, and says so as a loss.
      const least = vendor === "items" && more.max_tokens ? { ...more, max_tokens: 16 } : more;
      const own = gist(await ask(to(`${here.sim.url}/p/anthropic`), VENDORS.anthropic, stream, content, least));
      assert.deepEqual(gist(await ask(client, target(vendor), stream, content, least)), own);
      assert.ok(own.text || own.calls.length);
    });

  each(test, "structured output is parsed", async (vendor, stream) => {
    const format = zodOutputFormat(z.object({ city: z.string(), degrees: z.number().int() }));
    const body = { model: target(vendor), max_tokens: 1000, messages: [{ role: "user", content: "hello" }] };
    const asked = { ...body, output_config: { format } };
    const message = stream ? await client.messages.stream(asked).finalMessage() : await client.messages.parse(asked);
    assert.equal(typeof message.parsed_output.degrees, "number");
  });

  each(test, "the tool runner goes round", async (vendor, stream) => {
    const asked = [];
    const tool = betaZodTool({
      name: "get_time",
      description: "The time of a city",
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => asked.push(city) && "noon",
    });
    const messages = [{ role: "user", content: "call:get_time in Paris" }];
    const runner = client.beta.messages.toolRunner({
      model: target(vendor),
      max_tokens: 1000,
      messages,
      tools: [tool],
      stream,
    });
    const message = await runner.runUntilDone();
    assert.deepEqual(asked, ["Zürich 東京"]);
    assert.deepEqual([message.stop_reason, gist(message).text.split(" ").length], ["end_turn", 16]);
  });

  each(
    test,
    "thinking comes back with its results",
    async (vendor, stream) => {
      const thinking = { type: "enabled", budget_tokens: 2000 };
      const more = { tools: TOOLS, thinking, max_tokens: 4000 };
      const first = await ask(client, target(vendor), stream, "call:get_time in Paris", more);
      assert.deepEqual(
        first.content.map((block) => block.type),
        ["thinking", "tool_use"],
      );
      const results = [{ type: "tool_result", tool_use_id: first.content[1].id, content: "noon" }];
      const messages = [
        { role: "user", content: "call:get_time in Paris" },
        { role: "assistant", content: first.content },
        { role: "user", content: results },
      ];
      const last = await ask(client, target(vendor), stream, "", { ...more, messages });
      assert.deepEqual([last.content.map((block) => block.type), last.stop_reason], [["thinking", "text"], "end_turn"]);
    },
    ["anthropic", "gemini", "bedrock"],
  );

  forEach(test, "a stream that breaks raises", async (vendor) => {
    for (const fault of ["cut=5", "error-event=5:overloaded"]) {
      let text = "";
      const stream = client.messages.stream({
        model: `${target(vendor)}@${fault}`,
        max_tokens: 1000,
        messages: [{ role: "user", content: "hello" }],
      });
      stream.on("text", (piece) => (text += piece));
      await assert.rejects(stream.finalMessage(), Anthropic.APIError);
      assert.ok(text, "what came before it is there");
    }
  });

  forEach(test, "one block at a time, and one end", async (vendor) => {
    const messages = [{ role: "user", content: "call:2 in Paris" }];
    const body = { model: target(vendor), max_tokens: 1000, messages, tools: TOOLS, stream: true };
    const seen = [];
    for await (const event of await client.messages.create(body))
      seen.push(event.type.replace("content_block_", "") + (event.index ?? ""));
    const starts = seen.filter((name) => /^(start|stop)\d/.test(name));
    assert.deepEqual(starts, ["start0", "stop0", "start1", "stop1"]);
    assert.deepEqual([seen[0], ...seen.slice(-2)], ["message_start", "message_delta", "message_stop"]);
  });
});

describe("errors", () => {
  for (const [fault, status] of Object.entries(FAULTS))
    each(test, fault, async (vendor, stream) => {
      // A model that is missing is not asked for twice.
      const model = `${failing(fault, vendor)}-${stream}`;
      await assert.rejects(ask(client, model, stream, "hello"), (error) => {
        assert.equal(error.constructor, ERRORS[status], `${error}`);
        assert.equal(error.status, status);
        assert.ok(error.requestID, "it can be asked about");
        assert.ok(error.error.error.message && error.type);
        return true;
      });
    });

  test("a key that is none", async () => {
    await assert.rejects(to(here.narrow, { apiKey: "sk-wrong" }).models.list(), Anthropic.AuthenticationError);
    const good = to(here.narrow, { apiKey: null, authToken: here.secret });
    assert.ok((await good.models.list()).data.length);
  });

  test("a body over the limit", async () => {
    const asked = ask(to(here.narrow, { apiKey: here.secret }), target("openai"), false, "x".repeat(5000));
    await assert.rejects(asked, (error) => error.status === 413 && error instanceof Anthropic.APIError);
  });

  forEach(test, "its own retries", async (vendor) => {
    const patient = to(here.url, { maxRetries: 2 });
    const count = async (model) => (await here.sim.received(vendor)).filter((entry) => entry.model === model).length;
    const flaky = `some-model@fail-first=1:unavailable`;
    assert.ok((await ask(patient, `${vendor}/${flaky}`, false, "hello")).content.length);
    assert.equal(await count(flaky), 2);
    await assert.rejects(ask(patient, `${vendor}/some-model@bad-request`, false, "hello"), Anthropic.BadRequestError);
    assert.equal(await count("some-model@bad-request"), 1);
  });
});

test("the list of models", async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes("smart") && names.includes(target("anthropic")));
});

test("counting tokens", async () => {
  const messages = [{ role: "user", content: "hello" }];
  const { input_tokens } = await client.messages.countTokens({ model: target("anthropic"), messages });
  assert.ok(input_tokens > 0);
});

test("headers of an answer", async () => {
  const body = { model: target("gemini"), max_tokens: 100, messages: [{ role: "user", content: "hello" }] };
  const { data, response, request_id } = await client.messages.create(body).withResponse();
  assert.equal(response.headers.get("x-ringmain-target"), target("gemini"));
  assert.ok(request_id && data._request_id);
});
