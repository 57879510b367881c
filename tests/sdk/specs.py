"""The providers' own specifications as JSON Schemas of a chat request, from `shared/specs` beside the project.

Each is closed where its provider refuses members it does not know, so that what is made up is found.
"""

import functools
import json
from pathlib import Path

import jsonschema

SPECS = Path(__file__).parents[3] / "shared/specs"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def available() -> bool:
    return SPECS.is_dir()


def _closed(schema):
    """The same, with objects that take only the members they name."""
    if isinstance(schema, dict):
        closed = {key: _closed(value) for key, value in schema.items()}
        plain = isinstance(closed.get("properties"), dict) and "type" in closed and "allOf" not in closed
        if plain and closed["type"] == "object":
            closed.setdefault("additionalProperties", False)
        return closed
    return [_closed(item) for item in schema] if isinstance(schema, list) else schema


def _any(schema):
    """The same, where of several shapes more than one may fit: OpenAI's forms of a message overlap."""
    if isinstance(schema, dict):
        return {"anyOf" if key == "oneOf" else key: _any(value) for key, value in schema.items()}
    return [_any(item) for item in schema] if isinstance(schema, list) else schema


def _openapi(path: str, *names: str, closed: bool):
    file = SPECS / path
    if file.suffix == ".yaml":
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(file.read_text(), loader)
    else:
        document = json.loads(file.read_text())
    schemas = _any(document["components"]["schemas"])
    root = {"$schema": DRAFT, "components": {"schemas": _closed(schemas) if closed else schemas}}
    return {**root, "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def _discovery():
    document = json.loads((SPECS / "vertex/aiplatform.v1beta1.publisher-models.discovery.json").read_text())

    def convert(schema):
        if isinstance(schema, list):
            return [convert(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        out = {key: convert(value) for key, value in schema.items() if key not in ("id", "format", "description")}
        if isinstance(out.get("$ref"), str):
            out["$ref"] = f"#/schemas/{out['$ref']}"
        if out.get("type") == "any":
            del out["type"]
        # 64-bit numbers are text or numbers in Google's JSON.
        if schema.get("format") in ("int64", "uint64"):
            out["type"] = ["string", "integer"]
        return out

    properties = lambda schema: {**schema, "properties": {k: convert(v) for k, v in schema["properties"].items()}}
    schemas = {
        name: properties({"type": "object", "properties": schema.get("properties", {})})
        for name, schema in document["schemas"].items()
    }
    name = "GoogleCloudAiplatformV1beta1GenerateContentRequest"
    return {"$schema": DRAFT, "schemas": _closed(schemas), "$ref": f"#/schemas/{name}"}


def _botocore(operation: str):
    shapes = json.loads((SPECS / "bedrock-runtime/service-2.json").read_text())["shapes"]

    def convert(shape):
        kind = shape["type"]
        if kind == "structure":
            if shape.get("document"):
                return {}
            body = {k: v for k, v in shape.get("members", {}).items() if "location" not in v}
            members = {v.get("locationName", k): {"$ref": f"#/shapes/{v['shape']}"} for k, v in body.items()}
            out = {"type": "object", "properties": members, "additionalProperties": False}
            if shape.get("union"):
                return {**out, "minProperties": 1, "maxProperties": 1}
            return {**out, "required": [name for name in shape.get("required", []) if name in body]}
        if kind == "list":
            bounds = {"minItems": shape.get("min", 0), **({"maxItems": shape["max"]} if "max" in shape else {})}
            return {"type": "array", "items": {"$ref": f"#/shapes/{shape['member']['shape']}"}, **bounds}
        if kind == "map":
            return {"type": "object", "additionalProperties": {"$ref": f"#/shapes/{shape['value']['shape']}"}}
        if kind == "string":
            bounds = {"minLength": shape.get("min", 0), **({"maxLength": shape["max"]} if "max" in shape else {})}
            pattern = {"pattern": shape["pattern"]} if "pattern" in shape else {}
            return {"type": "string", **bounds, **pattern, **({"enum": shape["enum"]} if "enum" in shape else {})}
        if kind in ("integer", "long", "float", "double"):
            bounds = {"minimum": shape["min"]} if "min" in shape else {}
            bounds |= {"maximum": shape["max"]} if "max" in shape else {}
            return {"type": "integer" if kind in ("integer", "long") else "number", **bounds}
        return {"boolean": {"type": "boolean"}, "blob": {"type": "string"}, "timestamp": {}}[kind]

    converted = {name: {} if shape.get("document") else convert(shape) for name, shape in shapes.items()}
    return {"$schema": DRAFT, "shapes": converted, "$ref": f"#/shapes/{operation}"}


def _responses():
    schema = _openapi("openai/openapi.json", "CreateResponse", closed=False)
    schemas = schema["components"]["schemas"]
    # The API takes what a model said without its id and its logprobs, as the recordings show, and the specification does
    # not.
    part = schemas["OutputTextContent"]
    part["required"] = [name for name in part["required"] if name != "logprobs"]
    schemas["InputContent"]["anyOf"].append({"$ref": "#/components/schemas/OutputTextContent"})
    return schema


_MAKE = {
    "openai-chat": lambda: _openapi("openai/openapi.json", "CreateChatCompletionRequest", closed=False),
    "openai-responses": _responses,
    "anthropic-messages": lambda: _openapi(
        "anthropic/openapi.json", "CreateMessageParams", "BetaCreateMessageParams", closed=False
    ),
    "gemini": lambda: _openapi("gemini/openapi.json", "GenerateContentRequest", closed=True),
    "vertex": _discovery,
    "bedrock-converse": lambda: _botocore("ConverseRequest"),
    "mistral": lambda: _openapi("mistral/openapi.yaml", "ChatCompletionRequest", closed=False),
}


@functools.cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """The schema of a chat request at this provider."""
    return jsonschema.Draft202012Validator(_MAKE[name]())


def wrong(name: str, body) -> str | None:
    """What the specification says against a request, at its deepest; `None` where it takes it."""
    error = jsonschema.exceptions.best_match(validator(name).iter_errors(body))
    if error is None:
        return None
    return f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
