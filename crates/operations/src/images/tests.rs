//! Each codec against its API's published shapes: what it sends, and what it makes of answers.

mod masks;

use bytes::Bytes;
use http::HeaderMap;
use ringmain_core::{FaultClass, Shape};
use ringmain_wire::multipart::Form;
use serde_json::{Value, json};

use super::{Delivery, Made, Request, Site, Source, codec};
use crate::talk::{Call, Payload, Reply, Talk, To, Turn};

/// 1 by 1.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn request(body: &Value) -> Request {
    Request::read(body.to_string().as_bytes()).unwrap()
}

fn everything() -> Request {
    request(&json!({
        "model": "images", "prompt": "a cat", "negative_prompt": "dogs", "size": "1792x1024", "quality": "hd",
        "style": "vivid", "seed": 7, "n": 2, "output_format": "jpeg", "response_format": "b64_json", "steps": 30,
    }))
}

struct Planned {
    talks: Vec<Box<dyn Talk<Made>>>,
    calls: Vec<Call>,
    losses: Vec<String>,
}

fn plan(shape: Shape, model: &str, path: &str, request: &Request) -> Planned {
    let planned = codec(shape).unwrap().plan(request, &Site::new(model, path)).map_err(|no| no.to_string()).unwrap();
    let mut talks = planned.talks;
    let first = |talk: &mut Box<dyn Talk<Made>>| match talk.next(None).unwrap() {
        Turn::Call { call, .. } => *call,
        Turn::Done(_) => panic!("done before it began"),
    };
    let calls = talks.iter_mut().map(first).collect();
    Planned { talks, calls, losses: planned.losses.into_iter().map(|loss| loss.field).collect() }
}

fn sent(call: &Call) -> Value {
    match &call.payload {
        Payload::Json(parts) => serde_json::from_slice(&parts.concat()).unwrap(),
        other => panic!("no JSON: {other:?}"),
    }
}

fn form(call: &Call) -> &Form {
    match &call.payload {
        Payload::Form(form) => form,
        other => panic!("no form: {other:?}"),
    }
}

fn path(call: &Call) -> &str {
    match &call.to {
        To::Path(path) | To::Own(path) | To::Public(path) => path,
    }
}

fn said(body: &Value) -> Reply {
    Reply { headers: HeaderMap::new(), body: Bytes::from(body.to_string()) }
}

/// What one exchange makes of one answer.
fn hear(shape: Shape, model: &str, body: &Value) -> Result<Made, FaultClass> {
    let mut planned = plan(shape, model, "/path", &request(&json!({"prompt": "a cat"})));
    match planned.talks[0].next(Some(&said(body))) {
        Ok(Turn::Done(made)) => Ok(made),
        Ok(Turn::Call { .. }) => panic!("it goes on"),
        Err(fault) => Err(fault.class),
    }
}

#[test]
fn stability_sends_forms() {
    let planned = plan(Shape::Stability, "stable-image-core", "/v2beta/stable-image/generate", &everything());
    assert_eq!(planned.losses, ["size", "quality", "style", "steps"]);
    assert_eq!(planned.calls.len(), 2, "one image at a time");
    let call = &planned.calls[1];
    assert_eq!((path(call), call.accept), ("/v2beta/stable-image/generate/core", "application/json"));
    let fields: Vec<(&str, &str)> =
        form(call).parts.iter().map(|part| (&*part.name, part.as_text().unwrap())).collect();
    let expected = [
        ("prompt", "a cat"),
        ("aspect_ratio", "16:9"),
        ("negative_prompt", "dogs"),
        ("output_format", "jpeg"),
        ("seed", "8"),
    ];
    assert_eq!(fields, expected);
    let planned =
        plan(Shape::Stability, "sd3.5-large", "/g", &request(&json!({"prompt": "x", "output_format": "webp"})));
    assert_eq!((path(&planned.calls[0]), planned.losses), ("/g/sd3", vec!["output_format".to_owned()]));
    assert_eq!(form(&planned.calls[0]).text("model"), Some("sd3.5-large"));
    assert_eq!(form(&planned.calls[0]).text("output_format"), Some("png"));
    let preset = request(&json!({"prompt": "x", "style": "anime", "image": DOT}));
    let planned = plan(Shape::Stability, "sd3.5-medium", "/g", &preset);
    let form = form(&planned.calls[0]);
    assert_eq!((form.text("style_preset"), form.text("mode")), (Some("anime"), Some("image-to-image")));
    assert_eq!(form.get("image").unwrap().content_type.as_deref(), Some("image/png"));
    assert!(planned.losses.is_empty());
}

#[test]
fn stability_answers() {
    let hear = |body| hear(Shape::Stability, "stable-image-core", &body);
    let made = hear(json!({"image": DOT, "finish_reason": "SUCCESS", "seed": 1})).unwrap();
    assert!(matches!(&made.images[0].source, Source::Bytes(_, looks) if looks.size.width == 1));
    let table = [
        (json!({"finish_reason": "CONTENT_FILTERED", "seed": 1}), FaultClass::Refusal),
        (json!({"image": &DOT[..60], "finish_reason": "SUCCESS"}), FaultClass::Protocol),
        (json!({"image": "", "finish_reason": "SUCCESS"}), FaultClass::Empty),
        (json!({"id": "x", "name": "internal_error", "errors": ["no"]}), FaultClass::Server),
    ];
    for (body, class) in table {
        assert_eq!(hear(body.clone()).unwrap_err(), class, "{body}");
    }
    let mut planned = plan(Shape::Stability, "core", "/g", &request(&json!({"prompt": "x"})));
    let mut raw = Reply { headers: HeaderMap::new(), body: crate::images::picture::decode(DOT).unwrap() };
    raw.headers.insert("content-type", "image/png".parse().unwrap());
    raw.headers.insert("finish-reason", "CONTENT_FILTERED".parse().unwrap());
    assert_eq!(planned.talks[0].next(Some(&raw)).unwrap_err().class, FaultClass::Refusal);
    raw.headers.insert("finish-reason", "SUCCESS".parse().unwrap());
    assert!(matches!(planned.talks[0].next(Some(&raw)), Ok(Turn::Done(made)) if made.images.len() == 1));
    let faults = [
        (403, json!({"name": "content_moderation", "errors": ["flagged"]}), FaultClass::Refusal, 400),
        (402, json!({"name": "payment_required", "errors": ["no credits"]}), FaultClass::Billing, 402),
        (403, json!({"name": "unauthorized", "errors": ["bad key"]}), FaultClass::Auth, 403),
        (429, json!({"name": "rate_limit_exceeded", "errors": ["slow down"]}), FaultClass::RateLimit, 429),
        (500, json!("x"), FaultClass::Server, 500),
    ];
    for (status, body, class, told) in faults {
        let fault =
            codec(Shape::Stability).unwrap().decode_fault(status, &HeaderMap::new(), body.to_string().as_bytes());
        assert_eq!((fault.class, fault.status), (class, Some(told)), "{body}");
    }
}

#[test]
fn bedrock_speaks_each_familys_words() {
    let canvas = plan(Shape::Bedrock, "amazon.nova-canvas-v1:0", "/model/x/invoke", &everything());
    assert_eq!(canvas.losses, ["style", "output_format", "steps"]);
    let expected = json!({
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "a cat", "negativeText": "dogs"},
        "imageGenerationConfig": {"numberOfImages": 2, "width": 1792, "height": 1024, "quality": "premium", "seed": 7},
    });
    assert_eq!(sent(&canvas.calls[0]), expected);
    let titan = plan(Shape::Bedrock, "amazon.titan-image-generator-v2:0", "/m", &everything());
    assert_eq!(sent(&titan.calls[0])["imageGenerationConfig"]["width"], 1280);
    assert!(titan.losses.contains(&"size".to_owned()));
    let stable = plan(Shape::Bedrock, "us.stability.stable-image-core-v1:1", "/m", &everything());
    let expected = json!({"prompt": "a cat", "aspect_ratio": "16:9", "negative_prompt": "dogs", "output_format": "jpeg", "seed": 7});
    assert_eq!(sent(&stable.calls[0]), expected);
    assert_eq!(stable.calls.len(), 2);
    let hear = |model, body| hear(Shape::Bedrock, model, &body);
    assert_eq!(hear("amazon.nova-canvas-v1:0", json!({"images": [DOT, DOT]})).unwrap().images.len(), 2);
    let filtered = json!({"images": [], "error": "blocked by our content filters"});
    assert_eq!(hear("amazon.nova-canvas-v1:0", filtered).unwrap_err(), FaultClass::Refusal);
    let filtered = json!({"finish_reasons": ["Filter reason: prompt"], "images": []});
    assert_eq!(hear("stability.sd3-5-large-v1:0", filtered).unwrap_err(), FaultClass::Refusal);
    let whole = json!({"seeds": [1], "finish_reasons": [null], "images": [DOT]});
    assert_eq!(hear("stability.sd3-5-large-v1:0", whole).unwrap().images.len(), 1);
}

#[test]
fn google_generates_and_predicts() {
    let planned = plan(Shape::Gemini, "gemini-2.5-flash-image", "/v1beta/models/g:generateContent", &everything());
    let body = sent(&planned.calls[0]);
    assert_eq!(body["generationConfig"]["responseModalities"], json!(["TEXT", "IMAGE"]));
    assert_eq!(body["generationConfig"]["imageConfig"]["aspectRatio"], "16:9");
    assert_eq!(planned.calls.len(), 2);
    let planned = plan(Shape::Gemini, "imagen-4.0-generate-001", "/v1beta/models/i:generateContent", &everything());
    assert_eq!(path(&planned.calls[0]), "/v1beta/models/i:predict");
    assert_eq!(sent(&planned.calls[0])["parameters"]["sampleCount"], 2);
    let hear = |model, body| hear(Shape::Gemini, model, &body);
    let parts = json!([{"text": "Here"}, {"inlineData": {"mimeType": "image/png", "data": DOT}}]);
    let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 1290});
    let made = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage});
    let made = hear("gemini-2.5-flash-image", made).unwrap();
    assert_eq!((made.images.len(), made.usage.unwrap().output), (1, 1290));
    let table = [
        ("g", json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), FaultClass::Refusal),
        ("g", json!({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}), FaultClass::Refusal),
        (
            "g",
            json!({"candidates": [{"content": {"parts": [{"text": "no"}]}, "finishReason": "STOP"}]}),
            FaultClass::Empty,
        ),
        (
            "g",
            json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
            FaultClass::Overloaded,
        ),
        ("imagen-4", json!({"predictions": [{"raiFilteredReason": "unsafe"}]}), FaultClass::Refusal),
        ("imagen-4", json!({}), FaultClass::Empty),
    ];
    for (model, body, class) in table {
        assert_eq!(hear(model, body.clone()).unwrap_err(), class, "{body}");
    }
}

#[test]
fn jobs_are_submitted_looked_at_and_called_off() {
    let mut planned =
        plan(Shape::Replicate, "black-forest-labs/flux-1.1-pro", "/v1", &request(&json!({"prompt": "x"})));
    assert_eq!(path(&planned.calls[0]), "/v1/models/black-forest-labs/flux-1.1-pro/predictions");
    assert_eq!(sent(&planned.calls[0]), json!({"input": {"prompt": "x"}}));
    let talk = &mut planned.talks[0];
    assert_eq!(talk.abandon(), None, "nothing is known of it yet");
    let Ok(Turn::Call { call, after }) = talk.next(Some(&said(&json!({"id": "abc", "status": "starting"})))) else {
        panic!()
    };
    assert_eq!((path(&call), after.as_millis(), call.again), ("/v1/predictions/abc", 500, 2));
    assert_eq!(path(&talk.abandon().unwrap()), "/v1/predictions/abc/cancel");
    let done = json!({"id": "abc", "status": "succeeded", "output": ["https://replicate.delivery/x.png"]});
    let Ok(Turn::Done(made)) = talk.next(Some(&said(&done))) else { panic!() };
    assert_eq!(made.images[0].source, Source::Url("https://replicate.delivery/x.png".to_owned()));
    assert_eq!(talk.abandon(), None, "it is over");
    let mut planned =
        plan(Shape::Replicate, "owner/name:0123abcd", "/v1", &request(&json!({"prompt": "x", "seed": 3})));
    assert_eq!(sent(&planned.calls[0]), json!({"version": "0123abcd", "input": {"prompt": "x", "seed": 3}}));
    let nsfw = json!({"id": "abc", "status": "failed", "error": "NSFW content detected"});
    assert_eq!(planned.talks[0].next(Some(&said(&nsfw))).unwrap_err().class, FaultClass::Refusal);
    let stray = json!({"id": "../../x", "status": "starting"});
    assert_eq!(planned.talks[0].next(Some(&said(&stray))).unwrap_err().class, FaultClass::Protocol);

    let mut planned = plan(Shape::BlackForestLabs, "flux-pro-1.1", "/v1/flux-pro-1.1", &everything());
    let expected = json!({"prompt": "a cat", "width": 1440, "height": 1024, "output_format": "jpeg", "seed": 7});
    assert_eq!(sent(&planned.calls[0]), expected);
    let talk = &mut planned.talks[0];
    let taken = json!({"id": "j1", "polling_url": "https://api.us1.bfl.ai/v1/get_result?id=j1"});
    let Ok(Turn::Call { call, .. }) = talk.next(Some(&said(&taken))) else { panic!() };
    assert_eq!(call.to, To::Own("https://api.us1.bfl.ai/v1/get_result?id=j1".to_owned()));
    let Ok(Turn::Call { call: again, .. }) = talk.next(Some(&said(&json!({"status": "Pending"})))) else { panic!() };
    assert_eq!(again, call);
    let moderated = talk.next(Some(&said(&json!({"status": "Request Moderated"})))).unwrap_err();
    assert_eq!(moderated.class, FaultClass::Refusal);
    let ultra = plan(
        Shape::BlackForestLabs,
        "flux-pro-1.1-ultra",
        "/v1/u",
        &request(&json!({"prompt": "x", "size": "1344x768"})),
    );
    assert_eq!(sent(&ultra.calls[0])["aspect_ratio"], "7:4");
}

#[test]
fn a_server_of_ones_own() {
    let planned = plan(Shape::SdWebui, "sd_xl_base", "/sdapi/v1/txt2img", &everything());
    let body = sent(&planned.calls[0]);
    assert_eq!((&body["batch_size"], &body["width"], &body["seed"]), (&json!(2), &json!(1792), &json!(7)));
    assert_eq!(body["override_settings"]["sd_model_checkpoint"], "sd_xl_base");
    // A grid before the image that was asked for.
    assert_eq!(hear(Shape::SdWebui, "default", &json!({"images": ["grid", DOT]})).unwrap().images.len(), 1);
    let error = json!({"error": "OutOfMemoryError", "detail": "", "errors": "CUDA out of memory: OutOfMemory"});
    let fault = codec(Shape::SdWebui).unwrap().decode_fault(500, &HeaderMap::new(), error.to_string().as_bytes());
    assert_eq!(fault.class, FaultClass::Overloaded);
}

#[test]
fn openais_families() {
    use super::openai::takes_as_it_is;
    let asked = |extra: Value| {
        let mut body = json!({"prompt": "x"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        request(&body)
    };
    let table = [
        (json!({}), "dall-e-3", true),
        (json!({"size": "1792x1024", "quality": "hd", "style": "vivid", "response_format": "url"}), "dall-e-3", true),
        (json!({"n": 2}), "dall-e-3", false),
        (json!({"n": 2}), "dall-e-2", true),
        (json!({"quality": "high"}), "dall-e-3", false),
        (json!({"response_format": "b64_json"}), "gpt-image-1", false),
        (json!({"quality": "high", "background": "transparent", "output_format": "webp"}), "gpt-image-1", true),
        (json!({"style": "vivid"}), "gpt-image-1", false),
        (json!({"anything": 1, "n": 4}), "grok-2-image", true),
    ];
    for (extra, model, as_it_is) in table {
        assert_eq!(takes_as_it_is(&asked(extra.clone()), model), as_it_is, "{model} {extra}");
    }
    let planned = plan(Shape::OpenAi, "dall-e-3", "/images/generations", &everything());
    assert_eq!(planned.calls.len(), 2);
    let expected = json!({
        "prompt": "a cat", "size": "1792x1024", "quality": "hd", "style": "vivid", "model": "dall-e-3",
        "response_format": "b64_json", "n": 1,
    });
    assert_eq!(sent(&planned.calls[0]), expected);
    assert_eq!(planned.losses, ["negative_prompt", "seed", "output_format", "steps"]);
    let planned = plan(Shape::OpenAi, "gpt-image-1", "/images/generations", &everything());
    let expected = json!({"prompt": "a cat", "size": "1536x1024", "quality": "high", "output_format": "jpeg", "model": "gpt-image-1", "n": 2});
    assert_eq!(sent(&planned.calls[0]), expected);
    let edit = plan(Shape::OpenAi, "gpt-image-1", "/images/edits", &asked(json!({"image": [DOT, DOT], "mask": DOT})));
    let names: Vec<&str> = form(&edit.calls[0]).parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["prompt", "model", "n", "image[]", "image[]", "mask"]);
    let spoilt = json!({"created": 1, "data": [{"b64_json": format!("{}*", &DOT[..50])}]});
    assert_eq!(hear(Shape::OpenAi, "dall-e-3", &spoilt).unwrap_err(), FaultClass::Protocol);
    let refused = json!({"error": {"code": "content_policy_violation", "message": "no"}});
    assert_eq!(hear(Shape::OpenAi, "dall-e-3", &refused).unwrap_err(), FaultClass::Refusal);
    assert_eq!(hear(Shape::OpenAi, "dall-e-3", &json!({"data": []})).unwrap_err(), FaultClass::Empty);
}

#[test]
fn answers_as_the_caller_wants_them() {
    let made = Made::of(vec![super::Image::of_base64(DOT).unwrap()]).unwrap();
    let written = |delivery, model: &str| -> Value {
        let request = Request { delivery, ..request(&json!({"prompt": "x"})) };
        let body = super::answer::write(&made, &request, model, 7);
        serde_json::from_slice(&body).unwrap()
    };
    let base64 = written(Delivery::Base64, "dall-e-3");
    assert_eq!(base64, json!({"created": 7, "data": [{"b64_json": DOT}], "output_format": "png", "size": "1x1"}));
    let url = format!("data:image/png;base64,{DOT}");
    assert_eq!(written(Delivery::Url, "images")["data"], json!([{"url": url}]));
    assert_eq!(written(Delivery::Either, "openai/dall-e-3")["data"], json!([{"url": url, "b64_json": DOT}]));
    assert_eq!(written(Delivery::Either, "images")["data"], json!([{"b64_json": DOT}]));
    let units = made.billed(&everything()).units;
    assert_eq!((units.images, units.width, units.height), (1, 1, 1));
}

/// What providers really said.
#[test]
#[expect(clippy::print_stdout, reason = "a test that checks nothing says so")]
fn recordings() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/recordings/openai.images");
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("skipped: there are no recordings beside the project");
        return;
    };
    let mut seen = 0;
    for file in files.flatten() {
        let recording: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let (asked, answer) = (&recording["request"]["body"], &recording["response"]["body"]);
        let read = Request::read(asked.to_string().as_bytes());
        // An image of a few of them is a drawing in vectors, or was cut when it was recorded.
        let Ok(read) = read else { continue };
        assert!(super::openai::takes_as_it_is(&read, asked["model"].as_str().unwrap()), "{:?}", file.path());
        if recording["response"]["status"] == 200 {
            let made = super::openai::read(&said(answer)).unwrap();
            assert_eq!(made.images.len(), 1, "{:?}", file.path());
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen} recordings");
}
