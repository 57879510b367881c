//! A schema, walked field by field.

use serde_json::{Map, Value, json};

use crate::judge::{Case, Judge};

/// Deeper fields than these belong to forms that are opaque as a whole.
const DEPTH: usize = 12;
/// Variants of a union that are tried, at most.
const VARIANTS: usize = 48;

/// A specification of requests.
pub(crate) struct Spec {
    /// The document that `$ref` points into.
    pub(crate) document: Value,
    /// The schema of a request body.
    pub(crate) root: Value,
    /// A minimal request.
    pub(crate) base: Value,
    /// Places whose minimal request is not found in the schema: the path as walked, and what goes around the value.
    pub(crate) around: Vec<(&'static str, Around)>,
    /// A value for a member, where the schema says less of it than servers demand: the end of the path, and the value.
    pub(crate) samples: Vec<(&'static str, Sample)>,
}

/// Values of a member.
pub(crate) enum Sample {
    /// This one.
    One(Value),
    /// One of these.
    Each(Vec<Value>),
}

/// How the element of a list stands among others: those before it, and those behind it.
pub(crate) struct Around {
    pub(crate) before: Vec<Value>,
    pub(crate) behind: Vec<Value>,
}

/// What makes a whole request of a value at some place.
type Build<'a> = &'a dyn Fn(Value) -> Value;

/// A place in the schema.
#[derive(Clone)]
struct At {
    path: String,
    depth: usize,
    /// The references that led here: a second time round there is nothing new.
    trail: Vec<String>,
}

impl At {
    fn member(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, depth: self.depth + 1, trail: self.trail.clone() }
    }

    fn element(&self, nth: usize) -> Self {
        Self { path: format!("{}[{nth}]", self.path), depth: self.depth + 1, trail: self.trail.clone() }
    }
}

impl Spec {
    /// Judges every field.
    pub(crate) fn walk(&self, judge: &mut Judge) {
        let at = At { path: String::new(), depth: 0, trail: Vec::new() };
        let base = self.base.clone();
        for variant in self.variants(&self.root, &mut Vec::new()) {
            self.object(&variant, &base, &at, &|value| value, judge);
        }
    }

    /// What a schema may be, one by one: without references, unions and intersections.
    fn variants(&self, schema: &Value, trail: &mut Vec<String>) -> Vec<Value> {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if trail.iter().any(|known| known == reference) {
                return Vec::new();
            }
            trail.push(reference.to_owned());
            let target = self.document.pointer(reference.trim_start_matches('#')).cloned();
            return self.variants(&target.unwrap_or_else(|| panic!("{reference} leads nowhere")), trail);
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let mut whole = schema.clone();
            whole.as_object_mut().unwrap().remove("allOf");
            let first = whole.get("properties").or(whole.get("type")).is_some().then_some(whole);
            return parts.iter().chain(first.iter()).fold(vec![json!({})], |sofar, part| {
                let more = self.variants(part, &mut trail.clone());
                sofar.iter().flat_map(|left| more.iter().map(|right| merged(left, right))).collect()
            });
        }
        for union in ["oneOf", "anyOf"] {
            if let Some(options) = schema.get(union).and_then(Value::as_array) {
                let each = options.iter().flat_map(|option| self.variants(option, &mut trail.clone()));
                let own = json!({ "properties": schema.get("properties"), "required": schema.get("required") });
                let has_own = schema.get("properties").is_some();
                let each = each.map(|option| if has_own { merged(&own, &option) } else { option });
                return each.filter(|option| option.get("type") != Some(&json!("null"))).take(VARIANTS).collect();
            }
        }
        match schema.get("type").and_then(Value::as_array) {
            Some(kinds) => {
                let each = kinds.iter().filter(|kind| **kind != "null").map(|kind| {
                    let mut one = schema.clone();
                    one["type"] = kind.clone();
                    one
                });
                each.collect()
            }
            None => vec![schema.clone()],
        }
    }

    /// Walks the members of an object; `minimal` is one with all that is demanded.
    fn object(&self, schema: &Value, minimal: &Value, at: &At, build: Build<'_>, judge: &mut Judge) {
        let demanded: Vec<&str> = demanded(schema).collect();
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let place = at.member(name);
            if place.depth > DEPTH || inner.get("readOnly") == Some(&json!(true)) {
                continue;
            }
            let put = |value: Value| {
                let mut object = minimal.clone();
                object[name.as_str()] = value;
                build(object)
            };
            let optional = !demanded.contains(&name.as_str()) && minimal.get(name).is_none();
            self.place(inner, optional.then(|| build(minimal.clone())), &place, &put, judge);
        }
    }

    /// Judges a place and walks on into it. `without`: the request without it, where it may be left out.
    fn place(&self, schema: &Value, without: Option<Value>, at: &At, build: Build<'_>, judge: &mut Judge) {
        let mut trail = at.trail.clone();
        let variants = self.variants(schema, &mut trail);
        let at = At { trail, ..at.clone() };
        let mut scalars = Vec::new();
        for variant in &variants {
            match variant.get("type").and_then(Value::as_str) {
                Some("object") | None if variant.get("properties").is_some() => {
                    let Some(minimal) = self.minimal(variant, &at) else { continue };
                    let says_nothing = minimal.as_object().is_some_and(Map::is_empty);
                    let inside = match &without {
                        Some(without) if !says_nothing => {
                            let with = [build(minimal.clone())];
                            judge.judge(&Case { path: &at.path, without, with: &with })
                        }
                        _ => true,
                    };
                    if inside {
                        self.object(variant, &minimal, &at, build, judge);
                    }
                }
                Some("array") => self.array(variant, without.as_ref(), &at, build, judge),
                _ => scalars.extend(self.values(variant, &at)),
            }
        }
        scalars.dedup();
        match (without, scalars.as_slice()) {
            (_, []) => {}
            (Some(without), values) => {
                let with: Vec<Value> = values.iter().map(|value| build(value.clone())).collect();
                judge.judge(&Case { path: &at.path, without: &without, with: &with });
            }
            // What is demanded must make a difference by its value; a name of the form makes none.
            (None, [first, others @ ..]) if !others.is_empty() => {
                let with: Vec<Value> = others.iter().map(|value| build(value.clone())).collect();
                judge.judge(&Case { path: &at.path, without: &build(first.clone()), with: &with });
            }
            (None, _) => {}
        }
    }

    fn array(&self, schema: &Value, without: Option<&Value>, at: &At, build: Build<'_>, judge: &mut Judge) {
        let Some(items) = schema.get("items") else { return };
        let around = self.around.iter().find(|(path, _)| *path == at.path).map(|(_, around)| around);
        let (before, behind): (&[Value], &[Value]) =
            around.map_or((&[], &[]), |around| (around.before.as_slice(), around.behind.as_slice()));
        let put = |value: Value| {
            let list = before.iter().cloned().chain([value]).chain(behind.iter().cloned());
            build(Value::Array(list.collect()))
        };
        let none = (!before.is_empty() || !behind.is_empty())
            .then(|| build(Value::Array(before.iter().chain(behind).cloned().collect())));
        let place = at.element(before.len());
        if place.depth > DEPTH {
            return;
        }
        let without = without.cloned().or(none);
        self.place(items, without, &place, &put, judge);
    }

    /// The least value of a schema; `None` where a reference leads round in a circle.
    fn minimal(&self, schema: &Value, at: &At) -> Option<Value> {
        match self.sample(at) {
            Some(Sample::One(value)) => return Some(value.clone()),
            Some(Sample::Each(values)) => return values.first().cloned(),
            None => {}
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") | None if schema.get("properties").is_some() => {
                let mut object = Map::new();
                for name in demanded(schema) {
                    let place = at.member(name);
                    let inner = schema.pointer(&format!("/properties/{name}")).cloned().unwrap_or_default();
                    object.insert(name.to_owned(), self.first(&inner, &place)?);
                }
                Some(Value::Object(object))
            }
            Some("array") => {
                let items = schema.get("items").cloned().unwrap_or_default();
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                // An empty list says nothing: one element, where there is a kind of them.
                match self.first(&items, &at.element(0)) {
                    Some(item) => Some(Value::Array(vec![item])),
                    None if least == 0 => Some(json!([])),
                    None => None,
                }
            }
            _ => self.values(schema, at).into_iter().next(),
        }
    }

    fn first(&self, schema: &Value, at: &At) -> Option<Value> {
        if at.depth > DEPTH + 4 {
            return None;
        }
        let mut trail = at.trail.clone();
        let variants = self.variants(schema, &mut trail);
        let at = At { trail, ..at.clone() };
        variants.iter().find_map(|variant| self.minimal(variant, &at))
    }

    /// Values of a scalar: every word of an enumeration, both booleans, two of all else.
    fn values(&self, schema: &Value, at: &At) -> Vec<Value> {
        match self.sample(at) {
            Some(Sample::One(value)) => return vec![value.clone()],
            Some(Sample::Each(values)) => return values.clone(),
            None => {}
        }
        if let Some(one) = schema.get("const") {
            return vec![one.clone()];
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let known =
                |word: &&Value| !word.is_null() && word.as_str().is_none_or(|word| !word.ends_with("_UNSPECIFIED"));
            return words.iter().filter(known).cloned().collect();
        }
        let least = schema.get("minimum").and_then(Value::as_f64).unwrap_or(0.0);
        let most = schema.get("maximum").and_then(Value::as_f64).unwrap_or(1e9);
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => vec![true.into(), false.into()],
            Some("integer") => {
                #[expect(clippy::cast_possible_truncation, reason = "small")]
                let (low, high) = ((least.max(7.0).min(most)) as i64, (least.max(11.0).min(most)) as i64);
                vec![low.into(), high.into()]
            }
            Some("number") => vec![json!(0.375_f64.clamp(least, most)), json!(0.625_f64.clamp(least, most))],
            Some("string") => match schema.get("format").and_then(Value::as_str) {
                Some("byte" | "binary") => vec!["iVBORw0K".into(), "iVBORw0L".into()],
                Some("uri") => vec!["https://a.example/1".into(), "https://a.example/2".into()],
                _ => vec!["ruby".into(), "jade".into()],
            },
            // Anything: an object of the application's.
            _ => vec![json!({ "type": "object", "marker": "ruby" }), json!({ "type": "object", "marker": "jade" })],
        }
    }

    fn sample(&self, at: &At) -> Option<&Sample> {
        let found = self.samples.iter().find(|(end, _)| {
            at.path == *end
                || at.path.strip_suffix(end).is_some_and(|head| head.ends_with(['.', ']']) || end.starts_with('.'))
        });
        found.map(|(_, value)| value)
    }
}

fn demanded(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Two schemas of one value as one.
fn merged(left: &Value, right: &Value) -> Value {
    let mut whole = left.as_object().cloned().unwrap_or_default();
    for (name, value) in right.as_object().into_iter().flatten() {
        match (whole.get_mut(name), value) {
            (Some(Value::Object(known)), Value::Object(more)) if name == "properties" => {
                known.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            (Some(Value::Array(known)), Value::Array(more)) if name == "required" => known.extend(more.iter().cloned()),
            _ => drop(whole.insert(name.clone(), value.clone())),
        }
    }
    whole.retain(|_, value| !value.is_null());
    Value::Object(whole)
}
