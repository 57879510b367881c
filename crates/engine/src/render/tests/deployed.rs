//! Models that their provider knows by other names: asked by these, and told as what they are.

use ringmain_catalog::{Catalog, Provider};
use ringmain_core::Dialect;
use serde_json::{Value, json};

use super::rendered;
use crate::render::render;
use crate::testing::{deployed, request, target_of};

const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/ab12";

fn kind(id: &str) -> Provider {
    Catalog::embedded().unwrap().provider(id).unwrap().placed(None, Some("us-east-1"))
}

fn chat(more: &Value) -> String {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[test]
fn a_deployment_has_the_quirks_of_its_model() {
    let body = chat(&json!({"max_tokens": 50, "temperature": 0.5}));
    let request = request(Dialect::OpenAiChat, &body);
    let target = deployed(kind("azure-openai"), "our-deployment", "gpt-5.6-sol");
    let (sent, losses) = rendered(&request, &target);
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!((&sent["max_completion_tokens"], sent.get("temperature")), (&json!(50), None));
    assert_eq!(losses, ["temperature"]);
    let path = render(&request, &target).unwrap().uri.path().to_owned();
    assert!(path.starts_with("/openai/deployments/our-deployment/chat/completions"), "{path}");
}

#[test]
fn an_inference_profile_is_told_to_think_as_its_model_is() {
    let body = chat(&json!({"reasoning_effort": "high"}));
    let request = request(Dialect::OpenAiChat, &body);
    let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let sent = |target| serde_json::from_str::<Value>(&rendered(&request, &target).0).unwrap();
    let told = sent(deployed(kind("bedrock"), PROFILE, model));
    assert_eq!(told["additionalModelRequestFields"]["thinking"]["type"], "enabled", "{told}");
    let nobody = sent(target_of(crate::testing::link(kind("bedrock"), None), PROFILE, None));
    assert_eq!(nobody["additionalModelRequestFields"].get("thinking"), None, "{nobody}");
    let uri = render(&request, &deployed(kind("bedrock"), PROFILE, model)).unwrap().uri;
    assert!(uri.path().contains("application-inference-profile%2Fab12/converse"), "{uri}");
}
