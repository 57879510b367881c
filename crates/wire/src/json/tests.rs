use super::*;
use bytes::Bytes;

/// Body, kind of error (start of its message), offset.
const BROKEN: &[(&[u8], &str, usize)] = &[
    (b"", "the body is not valid JSON: it is empty", 0),
    (b" \n ", "the body is not valid JSON: it is empty", 3),
    (b"[1]", "expected a JSON object at line 1 column 1", 0),
    (b"\n  \"secret\"", "expected a JSON object at line 2 column 3", 3),
    (b"{\"a\":1", "the body is not valid JSON: EOF", 5),
    (b"{\"a\":1}x", "the body is not valid JSON: trailing characters at line 1 column 8", 7),
    (b"{\"a\":1,}", "the body is not valid JSON: trailing comma", 7),
    (b"{a:1}", "the body is not valid JSON: key must be a string", 1),
    (b"{\"a\":\n {\"b\": tru}}", "the body is not valid JSON: expected ident at line 2", 16),
    (b"{\"a\":01}", "the body is not valid JSON: invalid number", 6),
    (b"{\"a\":\"x\ny\"}", "the body is not valid JSON: control character", 6),
    (b"{\"a\":\"\\x\"}", "the body is not valid JSON: invalid escape", 7),
    (b"{\"a\":\"\xff\"}", "the body is not UTF-8 at line 1 column 7 (byte 6)", 6),
    (b"{\"a\":1,\n \"b\":2, \"\\u0061\":3}", "duplicate key \"a\" at line 2 column 9 (byte 16)", 16),
];

#[test]
fn errors_say_what_and_where_and_quote_no_value() {
    for (body, message, offset) in BROKEN {
        let error = Object::parse(body).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error} is not {message}");
        let Position { offset: found, line, column } = error.position.unwrap();
        assert_eq!(found, *offset, "{error}");
        let line_start: usize = body.split_inclusive(|&b| b == b'\n').take(line - 1).map(<[u8]>::len).sum();
        assert_eq!(line_start + column - 1, found, "{error}");
        assert!(!error.to_string().contains("secret"));
    }
    let many: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
    let error = Object::parse(format!("{{{many}\"k7\":1}}").as_bytes()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, JsonErrorKind::DuplicateKey("k7".into()));
    assert!(error.position.unwrap().offset > 300);
    assert!(Object::parse(format!("{{{many}\"k40\":1}}").as_bytes()).is_ok());
}

#[test]
fn members_are_slices_of_the_body() {
    let body = r#" { "model" : "gpt-4o", "n":10.50 ,"s\u00e9":[ {"a":{}} ],"x":{"a":1,"a":2} } "#;
    let object = Object::parse(body.as_bytes()).unwrap();
    let cases = [("model", "\"gpt-4o\""), ("n", "10.50"), ("sé", "[ {\"a\":{}} ]"), ("x", "{\"a\":1,\"a\":2}")];
    for (key, text) in cases {
        assert_eq!(object.get(key).unwrap().get(), text);
        assert_eq!(&body[object.span(key).unwrap()], text);
    }
    assert_eq!(object.entries().map(|(key, _)| key).collect::<Vec<_>>(), cases.map(|(key, _)| key));
    assert!(object.get("none").is_none() && object.span("a").is_none());
    let nested = Object::from_raw(object.get("x").unwrap()).unwrap_err();
    assert_eq!(nested.kind, JsonErrorKind::DuplicateKey("a".into()));
    assert_eq!(Object::from_raw(object.get("n").unwrap()).unwrap_err().kind, JsonErrorKind::NotAnObject);
}

#[test]
fn nesting_may_be_deep() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Object::parse(deep.as_bytes()).is_ok());
}

#[test]
fn scalars_are_read_from_their_text() {
    let body =
        br#"{"s":"x","e":"a\"\u00e9\n","h":"\ud800","t":true,"f":false,"u":18446744073709551615,"m":-1,"d":1.0}"#;
    let object = Object::parse(body).unwrap();
    let value = |key| object.get(key).unwrap();
    assert!(matches!(as_str(value("s")), Some(std::borrow::Cow::Borrowed("x"))));
    assert_eq!(as_str(value("e")).unwrap(), "a\"é\n");
    assert_eq!((as_str(value("h")), as_str(value("t"))), (None, None));
    assert_eq!((as_bool(value("t")), as_bool(value("f")), as_bool(value("s"))), (Some(true), Some(false), None));
    assert_eq!((as_u64(value("u")), as_u64(value("m")), as_u64(value("d"))), (Some(u64::MAX), None, None));
}

fn set(pointer: &'static str, value: &'static str) -> Edit {
    Edit::set(pointer, value)
}

#[test]
fn edits_change_what_they_name_and_no_other_byte() {
    let default = |pointer: &'static str, value: &'static str| Edit::default(pointer, value);
    let (remove, rename) = (|pointer: &'static str| Edit::remove(pointer), |p: &'static str, to| Edit::rename(p, to));
    let cases: &[(&str, &[Edit], &str)] = &[
        ("{}", &[set("/a", "1")], "{\"a\":1}"),
        (" { } ", &[set("/a", " 1 ")], " {\"a\":1 } "),
        ("{ \"a\" : 1.50 , \"b\":2 }", &[set("/b", "\"x\"")], "{ \"a\" : 1.50 , \"b\":\"x\" }"),
        ("{\n \"a\": 1\n}", &[set("/b", "2")], "{\n \"a\": 1,\"b\":2\n}"),
        ("{\"a\":1}", &[set("/b/c/d", "[]")], "{\"a\":1,\"b\":{\"c\":{\"d\":[]}}}"),
        ("{\"a\":null}", &[set("/a/b", "true")], "{\"a\":{\"b\":true}}"),
        ("{\"a\":null}", &[default("/a", "1"), default("/b", "2")], "{\"a\":null,\"b\":2}"),
        ("{\"a\":{\"b\":0}}", &[default("/a/b", "1"), default("/a/c", "1")], "{\"a\":{\"b\":0,\"c\":1}}"),
        ("{\"a\":[1,{\"x\":2}]}", &[set("/a/1/x", "3"), set("/a/-", "4")], "{\"a\":[1,{\"x\":3},4]}"),
        ("{\"a\":[]}", &[set("/a/-/b", "1"), set("/a/0/c", "2")], "{\"a\":[{\"b\":1,\"c\":2}]}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", &[remove("/a")], "{\"b\":2,\"c\":3}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", &[remove("/b")], "{\"a\":1,\"c\":3}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", &[remove("/c")], "{\"a\":1,\"b\":2}"),
        ("{ \"a\":1 }", &[remove("/a")], "{ }"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}", &[remove("/b")], "{\n  \"a\": 1\n}"),
        ("{\n  \"a\": 1,\n  \"b\": 2\n}", &[remove("/a")], "{\n  \"b\": 2\n}"),
        ("{\"a\":[1 , 2, 3]}", &[remove("/a/0"), remove("/a/1")], "{\"a\":[ 2]}"),
        ("{\"a\":1}", &[remove("/b"), remove("/a/b"), remove("/b/c/d"), remove("/a/0")], "{\"a\":1}"),
        ("{\"a\":1}", &[remove("/a"), set("/b", "2")], "{\"b\":2}"),
        ("{\"a\" : 1, \"b\":2}", &[rename("/a", "x\"y")], "{\"x\\\"y\" : 1, \"b\":2}"),
        ("{\"a\":1,\"b\":2}", &[rename("/a", "b")], "{\"b\":1}"),
        ("{\"a\":1,\"b\":2}", &[rename("/b", "a")], "{\"a\":2}"),
        ("{\"a\":1}", &[rename("/b", "a"), rename("/a", "a"), rename("/a/b", "c")], "{\"a\":1}"),
        ("{\"a\":1}", &[set("/a", "{\"b\": 1}"), set("/a/c", "2")], "{\"a\":{\"b\": 1,\"c\":2}}"),
        ("{\"a/b\":1,\"m~n\":2}", &[set("/a~1b", "3"), remove("/m~0n")], "{\"a/b\":3}"),
        ("{\"\\u0061\":1,\"\":0}", &[set("/a", "3"), set("/", "4")], "{\"\\u0061\":3,\"\":4}"),
    ];
    for (body, edits, expected) in cases {
        let result = splice(&Bytes::from(*body), edits).unwrap();
        assert_eq!(result.len(), expected.len());
        assert_eq!(result.into_bytes(), expected.as_bytes(), "{body} with {edits:?}");
    }
}

#[test]
fn edits_that_cannot_be_are_errors() {
    let bad_pointer = |pointer: &str| JsonErrorKind::BadPointer(pointer.into());
    let through = |pointer: &str| JsonErrorKind::NotAContainer(pointer.into());
    let cases = [
        (set("", "{}"), bad_pointer("")),
        (set("a", "1"), bad_pointer("a")),
        (Edit::remove("/a~2"), bad_pointer("/a~2")),
        (Edit::remove("/a~"), bad_pointer("/a~")),
        (set("/l/3", "1"), bad_pointer("/l/3")),
        (set("/l/01", "1"), bad_pointer("/l/01")),
        (set("/l/x", "1"), bad_pointer("/l/x")),
        (Edit::rename("/l/0", "x"), bad_pointer("/l/0")),
        (Edit::remove("/a".repeat(65)), bad_pointer(&"/a".repeat(65))),
        (set("/n/x", "1"), through("/n/x")),
        (Edit::default("/l/0/x", "1"), through("/l/0/x")),
        (set("/n", "1 2"), JsonErrorKind::BadValue("/n".into())),
        (set("/n", ""), JsonErrorKind::BadValue("/n".into())),
    ];
    let body = Bytes::from_static(br#"{"l":[0,1],"n":5}"#);
    for (edit, kind) in cases {
        assert_eq!(splice(&body, std::slice::from_ref(&edit)).unwrap_err().kind, kind, "{edit:?}");
    }
    let body = Bytes::from_static(b"{\"x\":\n {\"a\":1,\"a\":2}}");
    assert!(splice(&body, &[set("/x", "1")]).is_ok());
    let error = splice(&body, &[Edit::remove("/x/a")]).unwrap_err();
    assert_eq!(error.to_string(), "duplicate key \"a\" at line 2 column 9 (byte 14)");
}

#[test]
fn what_does_not_change_is_shared() {
    let text = "x".repeat(100_000);
    let body = Bytes::from(format!("{{\"model\":\"a\",\"stream\":true,\"text\":\"{text}\",\"n\":1}}"));
    let unchanged: [&[Edit]; 4] =
        [&[], &[set("/model", "\"a\"")], &[Edit::remove("/none")], &[Edit::default("/n", "2"), set("/n", "1")]];
    for edits in unchanged {
        let result = splice(&body, edits).unwrap().into_bytes();
        assert!(std::ptr::eq(result.as_ref(), body.as_ref()));
    }
    let object = Object::parse(&body).unwrap();
    let document = Document::from_object(&body, &object).unwrap();
    assert!(Document::from_object(&Bytes::copy_from_slice(&body), &object).is_none());
    let result = document.splice(&[set("/model", "\"other\""), Edit::remove("/n")]).unwrap();
    let range = body.as_ptr_range();
    let shared = result.parts().iter().filter(|part| range.contains(&part.as_ptr())).map(Bytes::len).sum::<usize>();
    assert!(result.parts().len() <= 3 && shared >= text.len(), "{} parts", result.parts().len());
    assert_eq!(result.len(), result.into_bytes().len());
    let small = splice(&Bytes::from_static(b"{\"model\":1,\"b\":2}"), &[set("/model", "2")]).unwrap();
    assert_eq!(small.parts().len(), 1);
}
