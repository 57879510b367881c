//! What a caller, and its key, call a request by, for sums and for search.

use http::{HeaderMap, HeaderName};

use crate::keys::Caller;

static TAG: HeaderName = HeaderName::from_static("x-ringmain-tag");
/// Tags of one request that are read.
const TAGS_MAX: usize = 32;

/// `x-ringmain-tag: team=search,stage=prod`, in UTF-8. What the caller's key says of a tag stands above it, and what is said
/// of one first above what is said of it again. What would not stay within a tag where tags are written down is replaced.
pub(crate) fn tags(headers: &HeaderMap, caller: &Caller) -> Vec<(String, String)> {
    let mut all = caller.key().map(|key| key.tags.clone()).unwrap_or_default();
    let values = headers.get_all(&TAG).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut read = 0;
    for value in values {
        for (name, value) in value.split(',').filter_map(|pair| pair.split_once('=')) {
            read += 1;
            let name = plain(name);
            if read <= TAGS_MAX && all.iter().all(|(known, _)| *known != name) {
                all.push((name, plain(value)));
            }
        }
    }
    all
}

/// A part of a tag without what separates tags, and without what nobody sees.
fn plain(part: &str) -> String {
    part.trim().replace(|c: char| c == '|' || c.is_control(), "_")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TAG, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        tags(&headers, &Caller::Anyone)
    }

    fn told(values: &[&str]) -> String {
        read(values).iter().map(|(name, value)| format!("{name}={value};")).collect()
    }

    #[test]
    fn a_tag_counts_once_and_stays_one() {
        assert_eq!(told(&["a=1,a=2, a =3", "b=x, a=4"]), "a=1;b=x;", "the first stands");
        assert_eq!(told(&["x=1|team=spoof"]), "x=1_team=spoof;");
        assert_eq!(told(&["x|y=1\t2"]), "x_y=1_2;");
        assert_eq!(told(&["no tag,=,c=d=e"]), "=;c=d=e;");
        let many: Vec<String> = (0..50).map(|nth| format!("t{nth}=1")).collect();
        assert_eq!(read(&[&many.join(",")]).len(), TAGS_MAX);
    }

    #[test]
    fn tags_are_in_any_script() {
        assert_eq!(told(&["团队=搜索,stage=prod"]), "团队=搜索;stage=prod;");
        let mut headers = HeaderMap::new();
        headers.insert(&TAG, HeaderValue::from_bytes(b"team=caf\xe9,stage=prod").unwrap());
        let read = tags(&headers, &Caller::Anyone);
        assert_eq!(read[1], ("stage".to_owned(), "prod".to_owned()), "what is not UTF-8 takes no other with it");
    }
}
