//! Quirks about messages.

use ringmain_catalog::{Documents, Prefill, Quirks, SystemRole, ToolIds, ToolSubset};
use ringmain_core::Dialect;

use super::{hold, rendered, with};
use crate::testing::request;

fn role(role: SystemRole) -> Quirks {
    Quirks { system_role: Some(role), ..Quirks::default() }
}

fn alternating() -> Quirks {
    Quirks { alternate_roles: Some(true), ..Quirks::default() }
}

fn answering() -> Quirks {
    Quirks { assistant_after_tool: Some(true), ..Quirks::default() }
}

#[test]
fn instructions_have_the_role_that_is_taken() {
    hold(vec![
        (
            "developer becomes system, and the others keep their bytes",
            role(SystemRole::System),
            r#"{"model":"m", "messages": [ {"role":"developer","content":"Be brief."}, {"content" : 1.50,"role":"user"} ], "n":1 }"#,
            r#"{"model":"m", "messages": [{"role":"system","content":"Be brief."},{"content" : 1.50,"role":"user"}], "n":1 }"#,
            &[],
        ),
        (
            "the word alone is nothing",
            role(SystemRole::System),
            r#"{"model":"m", "messages": [ {"role":"user","content":"developer","name":"developer"} ]}"#,
            r#"{"model":"m", "messages": [ {"role":"user","content":"developer","name":"developer"} ]}"#,
            &[],
        ),
        (
            "into the first user message",
            role(SystemRole::User),
            r#"{"model":"m","messages":[{"role":"system","content":"A"},{"role":"developer","content":"B"},{"role":"user","content":"C"},{"role":"user","content":"D"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"A\n\nB\n\nC"},{"role":"user","content":"D"}]}"#,
            &["~messages[0].role", "~messages[1].role"],
        ),
        (
            "into parts",
            role(SystemRole::User),
            r#"{"model":"m","messages":[{"role":"system","content":"A"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"A"},{"type":"image_url","image_url":{"url":"u"}}]}]}"#,
            &["~messages[0].role"],
        ),
        (
            "later instructions keep their place, and of two names one is lost",
            role(SystemRole::User),
            r#"{"model":"m","messages":[{"role":"user","content":"A"},{"role":"system","content":"B","name":"s"},{"role":"user","content":"C","name":"u"},{"role":"system","content":"D"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"A"},{"role":"user","content":"B\n\nC","name":"s"},{"role":"user","content":"D"}]}"#,
            &["~messages[1].role", "~messages[3].role", "messages[2].name"],
        ),
        (
            "what are no messages is the provider's to refuse",
            role(SystemRole::System),
            r#"{"model":"m","messages":[{"content":"developer","name":"developer"}]}"#,
            r#"{"model":"m","messages":[{"content":"developer","name":"developer"}]}"#,
            &[],
        ),
    ]);
}

#[test]
fn tools_that_may_not_be_called_are_left_out() {
    let listing = || Quirks { tool_subset: Some(ToolSubset::List), ..Quirks::default() };
    let tools = r#"{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}"#;
    let choice = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"b"}}]}}"#;
    let body = format!(r#"{{"model":"m","tools":[{tools}],"tool_choice":{choice},"messages":[]}}"#);
    let target = with(listing());
    let (text, lost) = rendered(&request(Dialect::OpenAiChat, &body), &target);
    let expected =
        r#"{"model":"m","tools":[{"type":"function","function":{"name":"b"}}],"tool_choice":"required","messages":[]}"#;
    assert_eq!((text.as_str(), lost), (expected, Vec::new()));
    // Of a kind that has no name, and a word: the provider's to take or refuse.
    for choice in [r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"mcp"}]}}"#, r#""auto""#]
    {
        let body = format!(r#"{{"model":"m","tools":[{tools}],"tool_choice":{choice},"messages":[]}}"#);
        assert_eq!(rendered(&request(Dialect::OpenAiChat, &body), &target).0, body);
    }
}

#[test]
fn roles_alternate() {
    hold(vec![
        (
            "already",
            alternating(),
            r#"{"model":"m","messages":[ {"role":"user","content":"A"}, {"role":"assistant","content":"B"} ]}"#,
            r#"{"model":"m","messages":[ {"role":"user","content":"A"}, {"role":"assistant","content":"B"} ]}"#,
            &[],
        ),
        (
            "text",
            alternating(),
            r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"A"},{"role":"user","content":"B"},{"role":"assistant","content":"C"}]}"#,
            r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"A\n\nB"},{"role":"assistant","content":"C"}]}"#,
            &[],
        ),
        (
            "parts and text",
            alternating(),
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"A"}]},{"role":"user","content":"B"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}]}"#,
            &[],
        ),
        (
            "calls",
            alternating(),
            r#"{"model":"m","messages":[{"role":"assistant","content":"A","tool_calls":[{"id":"1"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"2"}]}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","content":"A","tool_calls":[{"id":"1"},{"id":"2"}]}]}"#,
            &[],
        ),
    ]);
}

#[test]
fn somebody_answers_the_tool() {
    hold(vec![
        (
            "before the user",
            answering(),
            r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"a", "content":"1"},{"role":"user","content":"B"}]}"#,
            r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"a", "content":"1"},{"role":"assistant","content":"OK."},{"role":"user","content":"B"}]}"#,
            &[],
        ),
        (
            "not otherwise",
            answering(),
            r#"{"model":"m","messages":[{"role":"tool","content":"1"},{"role":"tool","content":"2"},{"role":"assistant","content":"3"}]}"#,
            r#"{"model":"m","messages":[{"role":"tool","content":"1"},{"role":"tool","content":"2"},{"role":"assistant","content":"3"}]}"#,
            &[],
        ),
    ]);
}

#[test]
fn thought_that_is_refused_is_lost() {
    let refusing = || Quirks { refuses_reasoning: Some(true), ..Quirks::default() };
    hold(vec![
        (
            "taken out",
            refusing(),
            r#"{"model":"m","messages":[{"role":"user","content":"\u00e9"},{"role":"assistant","reasoning_content":"hm","content":"A"},{"role":"assistant","content":"B","reasoning_content":null}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"\u00e9"},{"role":"assistant","content":"A"},{"role":"assistant","content":"B"}]}"#,
            &["messages[1].reasoning_content"],
        ),
        (
            "and a message of nothing else with it",
            refusing(),
            r#"{"model":"m","messages":[{"role":"assistant","reasoning_content":"hm","content":""},{"role":"user","content":"B"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"B"}]}"#,
            &["messages[0].reasoning_content"],
        ),
    ]);
}

#[test]
fn ids_of_calls_and_results_stay_together() {
    let nine = || with(Quirks { tool_ids: Some(ToolIds::NineAlphanumeric), ..Quirks::default() });
    let fits = r#"{"model":"m","messages":[{"role":"assistant", "tool_calls":[{"id":"abcDEF123"}]},{"role":"tool","tool_call_id":"abcDEF123"}]}"#;
    assert_eq!(rendered(&request(Dialect::OpenAiChat, fits), &nine()), (fits.to_owned(), Vec::new()));

    let ids = ["call_1", "toolu_01A09q90qw90lq917835lq9", "äöü", "abcDEF12", "abcDEF123"];
    let calls: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}","type":"function"}}"#)).collect();
    let results: Vec<_> = ids.iter().map(|id| format!(r#"{{"role":"tool","tool_call_id":"{id}"}}"#)).collect();
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{}]}},{}]}}"#,
        calls.join(","),
        results.join(",")
    );
    let (text, losses) = rendered(&request(Dialect::OpenAiChat, &body), &nine());
    assert_eq!(losses, Vec::<String>::new());
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut seen = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let call = body["messages"][0]["tool_calls"][at]["id"].as_str().unwrap();
        assert_eq!(body["messages"][at + 1]["tool_call_id"], call);
        assert!(call.len() == 9 && call.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id} -> {call}");
        assert!(!seen.contains(&call.to_owned()), "{call} twice");
        seen.push(call.to_owned());
    }
    assert_eq!(seen[4], "abcDEF123");
    // The same in each process and version: a provider's prompt cache depends on it.
    assert_eq!(seen[0], "1MSqXsaTd");
}

#[test]
fn a_prefill_is_marked_in_the_message() {
    let mistral = || Quirks { prefill: Some(Prefill::Prefix), ..Quirks::default() };
    hold(vec![
        (
            "marked",
            mistral(),
            r#"{"model":"m","messages":[{"role":"user","content":"A"},{"role":"assistant","content":"1,"}]}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"A"},{"role":"assistant","content":"1,","prefix":true}]}"#,
            &[],
        ),
        (
            "the caller did",
            mistral(),
            r#"{"model":"m","messages":[{"role":"assistant","prefix":true, "content":"1,"}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","prefix":true, "content":"1,"}]}"#,
            &[],
        ),
        (
            "a call is no beginning",
            mistral(),
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"1"}]}]}"#,
            &[],
        ),
    ]);
}

#[test]
fn documents_are_where_mistral_wants_them() {
    let mistral = || Quirks { documents: Some(Documents::DocumentUrl), ..Quirks::default() };
    hold(vec![(
        "with a name and without, and a file of the provider's own",
        mistral(),
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AA==","filename":"a.pdf"}},{"type":"text","text":"t"},{"type":"file","file":{"file_data":"data:text/csv;base64,AA=="}},{"type":"file","file_id":"f"}]}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"document_url","document_url":"data:application/pdf;base64,AA==","document_name":"a.pdf"},{"type":"text","text":"t"},{"type":"document_url","document_url":"data:text/csv;base64,AA=="},{"type":"file","file_id":"f"}]}]}"#,
        &[],
    )]);
}

#[test]
fn rules_go_together() {
    let all = Quirks {
        system_role: Some(SystemRole::User),
        tool_ids: Some(ToolIds::NineAlphanumeric),
        assistant_after_tool: Some(true),
        alternate_roles: Some(true),
        refuses_reasoning: Some(true),
        ..Quirks::default()
    };
    hold(vec![(
        "all",
        all,
        r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"assistant","content":"a","reasoning_content":"t"},{"role":"assistant","content":"b"},{"role":"tool","tool_call_id":"abcDEF123","content":"r"},{"role":"system","content":"T"},{"role":"user","content":"U"},{"role":"user","content":"V"}]}"#,
        r#"{"model":"m","messages":[{"role":"user","content":"S"},{"role":"assistant","content":"a\n\nb"},{"role":"tool","tool_call_id":"abcDEF123","content":"r"},{"role":"assistant","content":"OK."},{"role":"user","content":"T\n\nU\n\nV"}]}"#,
        &["messages[1].reasoning_content", "~messages[0].role", "~messages[4].role"],
    )]);
}
