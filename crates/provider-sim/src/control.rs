//! Steering a running simulator over HTTP: `/_sim/…`.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::api::percent_decode;
use crate::behavior::Behavior;
use crate::fault::FAULTS;
use crate::log::Receipt;
use crate::reply::png;
use crate::server::State;
use crate::stream::SimBody;

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(body.into(), Receipt::none()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn reply(status: StatusCode, body: &Value) -> Response<SimBody> {
    answer(status, "application/json", body.to_string())
}

fn problem(status: StatusCode, what: &str) -> Response<SimBody> {
    reply(status, &json!({"error": what}))
}

/// Answers one control request. `path` is what follows `/_sim/`.
pub(crate) fn control(state: &State, method: &Method, path: &str, body: &[u8]) -> Response<SimBody> {
    if let Some(label) = path.strip_prefix("behavior/").filter(|label| !label.is_empty()) {
        return behavior(state, method, &percent_decode(label), body);
    }
    if let Some(seed) = path.strip_prefix("image/").and_then(|name| name.strip_suffix(".png")) {
        let (name, is_cut) = seed.strip_suffix("-cut").map_or((seed, false), |name| (name, true));
        let (seed, size) = name.split_once('-').unwrap_or((name, "16x16"));
        let (width, height) = size.split_once('x').unwrap_or_default();
        let seed = u64::from_str_radix(seed, 16).unwrap_or(0);
        let mut image = png(seed, (width.parse().unwrap_or(16), height.parse().unwrap_or(16)));
        if is_cut {
            image.truncate(image.len() / 2);
        }
        return answer(StatusCode::OK, "image/png", image);
    }
    match (path, method) {
        ("log", &Method::GET) => reply(StatusCode::OK, &json!({"entries": state.log.entries()})),
        ("log", &Method::DELETE) => {
            state.log.clear();
            reply(StatusCode::OK, &json!({}))
        }
        ("faults", &Method::GET) => {
            let rows: Vec<_> = FAULTS.iter().map(|row| json!({"example": row.example, "what": row.what})).collect();
            reply(StatusCode::OK, &json!({"faults": rows}))
        }
        ("log" | "faults", _) => problem(StatusCode::METHOD_NOT_ALLOWED, "this has no such method"),
        _ => problem(StatusCode::NOT_FOUND, "there is /_sim/behavior/{label}, /_sim/log and /_sim/faults"),
    }
}

fn behavior(state: &State, method: &Method, label: &str, body: &[u8]) -> Response<SimBody> {
    let elapsed = state.log.elapsed();
    match *method {
        Method::GET => {
            let now = serde_json::to_value(state.chooser.in_force(label, elapsed)).unwrap_or(Value::Null);
            reply(StatusCode::OK, &now)
        }
        Method::DELETE => {
            state.chooser.set(label, None);
            reply(StatusCode::OK, &json!({}))
        }
        Method::PUT => {
            let behavior = match serde_saphyr::from_slice::<Behavior>(body) {
                Ok(behavior) => behavior,
                Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
            };
            if !state.chooser.set(label, Some(behavior)) {
                return problem(StatusCode::INSUFFICIENT_STORAGE, "there are too many labels");
            }
            reply(StatusCode::OK, &json!({}))
        }
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, "this has GET, PUT and DELETE"),
    }
}
