//! "For all image generation requests, use DALL-E 3 as the primary, with Stable Diffusion as failover": the rule of the
//! README, to the letter, under what it must survive. Every image that is given is decoded and looked at.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

mod pipes;

use std::time::Duration;

use pipes::{Act, Answer, World, status};
use ringmain_operations::images::Size;
use ringmain_operations::images::picture::{self, Format};
use serde_json::{Value, json};

/// 1 by 1.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const RULE: &str = "
providers:
  openai: { base_url: \"http://openai.test/v1\", keys: [k] }
  stability: { base_url: \"http://stability.test\", keys: [k] }
routes:
  - { name: images, match: { operation: images }, targets: [openai/dall-e-3, stability/stable-image-core] }
";

fn drawn(image: &str) -> Act {
    status(200, "", &json!({"created": 1, "data": [{"b64_json": image}]}).to_string())
}

fn error(code: u16, headers: &str, word: &str) -> Act {
    let error = json!({"message": "not today", "type": "x", "param": null, "code": word});
    status(code, headers, &json!({ "error": error }).to_string())
}

fn world(openai: Vec<Act>) -> World {
    let well = json!({"image": DOT, "finish_reason": "SUCCESS", "seed": 7});
    let stability = vec![status(200, "", &well.to_string())];
    World::of(&[("openai", vec![openai]), ("stability", vec![stability])], RULE)
}

async fn ask(world: &World) -> Answer {
    let body = json!({"model": "dall-e-3", "prompt": "a cat", "size": "1024x1024", "response_format": "b64_json"});
    world.send("/v1/images/generations", body.to_string(), &[]).await
}

/// An answer that an `openai` client reads an image from.
fn assert_image(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 200, "{what}: {}", answer.text);
    let said: Value = serde_json::from_str(&answer.text).unwrap();
    assert!(said["created"].is_u64(), "{what}");
    let bytes = picture::decode(said["data"][0]["b64_json"].as_str().unwrap()).unwrap();
    let looks = picture::look(&bytes).unwrap();
    assert_eq!((looks.format, looks.size), (Format::Png, Size::new(1, 1)), "{what}");
}

#[tokio::test(start_paused = true)]
async fn the_primary_is_asked_first() {
    let world = world(vec![drawn(DOT)]);
    let answer = ask(&world).await;
    assert_image(&answer, "all well");
    assert_eq!((answer.header("x-ringmain-target"), world.asked("stability")), ("openai/dall-e-3", 0));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_not_seen() {
    let seconds = Duration::from_secs;
    let table = [
        ("500", vec![error(500, "", "server_error")], seconds(10)),
        ("502, and no JSON", vec![status(502, "", "<html>Bad Gateway</html>")], seconds(10)),
        ("503", vec![error(503, "", "overloaded")], seconds(10)),
        ("404", vec![error(404, "", "model_not_found")], seconds(10)),
        ("429", vec![error(429, "retry-after: 30\r\n", "rate_limit_exceeded")], seconds(1)),
        ("429, for nobody knows how long", vec![error(429, "", "rate_limit_exceeded")], seconds(1)),
        ("no credit", vec![error(429, "", "insufficient_quota")], seconds(1)),
        ("30 s of silence", vec![Act::Wait(seconds(30)), drawn(DOT)], seconds(21)),
        ("silence for ever", vec![Act::Silence], seconds(21)),
        ("half of an image", vec![drawn(&DOT[..60])], seconds(10)),
        ("no base64", vec![drawn("*not base64*")], seconds(10)),
        ("a page", vec![drawn("PGh0bWw+PC9odG1sPg==")], seconds(10)),
        ("a 200 with an error", vec![error(200, "", "server_error")], seconds(10)),
        ("a 200 with nothing", vec![status(200, "", "{}")], seconds(10)),
        ("a 200 that is cut", vec![status(200, "", "{\"created\": 1, \"da")], seconds(10)),
        ("a hang-up", vec![Act::Close], seconds(10)),
    ];
    for (what, acts, most) in table {
        let world = world(acts);
        let answer = ask(&world).await;
        assert_image(&answer, what);
        assert_eq!(answer.header("x-ringmain-target"), "stability/stable-image-core", "{what}");
        assert!(answer.done_at <= most, "{what}: {:?}", answer.done_at);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_answer() {
    for acts in [vec![error(400, "", "content_policy_violation")], vec![error(200, "", "content_policy_violation")]] {
        let world = world(acts);
        let answer = ask(&world).await;
        assert_eq!((answer.status.as_u16(), world.asked("stability")), (400, 0), "{}", answer.text);
        assert!(answer.text.contains("not today"), "{}", answer.text);
    }
}

/// 1 by 1, and nothing in it.
const CLEAR: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR4nGNgAAIAAAUAAXpeqz8AAAAASUVORK5CYII=";

#[tokio::test(start_paused = true)]
async fn a_mask_goes_to_who_has_masks_painted_as_they_want_it() {
    let rules = "
providers:
  openai: { base_url: \"http://openai.test/v1\", keys: [k] }
  stability: { base_url: \"http://stability.test\", keys: [k] }
  webui: { kind: sd-webui, base_url: \"http://webui.test\" }
routes:
  - { name: edits, targets: [openai/gpt-image-1, stability/sd3.5-large, webui/default] }
";
    let well = status(200, "", &json!({"images": [DOT], "parameters": {}, "info": "{}"}).to_string());
    let down = error(500, "", "server_error");
    let world = World::of(
        &[("openai", vec![vec![down.clone()]]), ("stability", vec![vec![down]]), ("webui", vec![vec![well]])],
        rules,
    );
    let body = json!({
        "model": "edits", "prompt": "a cat", "response_format": "b64_json",
        "images": [{"image_url": format!("data:image/png;base64,{DOT}")}],
        "mask": {"image_url": format!("data:image/png;base64,{CLEAR}")},
    });
    let answer = world.send("/v1/images/edits", body.to_string(), &[]).await;
    assert_image(&answer, "an edit");
    assert_eq!((answer.header("x-ringmain-target"), world.asked("stability")), ("webui/default", 0), "it has no masks");
    let asked = &world.requests("webui")[0];
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /sdapi/v1/img2img HTTP/1.1"), "{head}");
    let sent: Value = serde_json::from_str(body).unwrap();
    let mask = picture::decode(sent["mask"].as_str().unwrap()).unwrap();
    assert_ne!(mask, picture::decode(CLEAR).unwrap());
    assert_eq!(picture::look(&mask).unwrap().size, Size::new(1, 1));
}
