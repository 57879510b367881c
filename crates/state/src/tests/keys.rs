//! Every store of keys, held to the same.

use ringmain_core::WallTime;

use super::servers::Postgres;
use crate::keys::{around, expiry, is_path};
use crate::{Grants, Group, KeyHash, KeyStore, NewKey, StateError, VirtualKey, memory, postgres, sqlite};

type Stores = (Vec<(&'static str, Box<dyn KeyStore>)>, Option<Postgres>);

fn stores(folder: &tempfile::TempDir) -> Stores {
    let file = folder.path().join("keys.db");
    let server = Postgres::start();
    let mut stores = vec![
        ("memory", Box::new(memory::Keys::default()) as Box<dyn KeyStore>),
        ("sqlite", Box::new(sqlite::Keys::open(&file).unwrap())),
    ];
    stores.extend(server.iter().map(|server| ("postgres", Box::new(postgres::Keys::new(&server.database())) as _)));
    (stores, server)
}

fn key(name: &str, created: u64) -> VirtualKey {
    let new = NewKey::make().unwrap();
    VirtualKey {
        id: new.id,
        name: name.to_owned(),
        hash: new.hash,
        hint: new.hint,
        expires: Some(WallTime(99)),
        created: WallTime(created),
        revoked: None,
        grants: Grants {
            group: Some("acme/search".to_owned()),
            routes: vec!["text".to_owned()],
            models: vec!["gpt-4*".to_owned()],
            tags: vec![("team".to_owned(), "search".to_owned())],
            limits: vec!["$50/month".parse().unwrap(), "10 at once".parse().unwrap()],
            on_exhausted: Some("cheap".to_owned()),
        },
    }
}

#[test]
fn keys_are_kept_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    for (name, store) in stores {
        let mut revision = store.revision().unwrap();
        let mut changed = |what: &str| {
            let now = store.revision().unwrap();
            assert_ne!(now, revision, "{name}: {what} is a change");
            revision = now;
        };
        let (first, second) = (key("prod", 1), key("stage", 2));
        store.add(&first).unwrap();
        changed("a new key");
        store.add(&second).unwrap();
        changed("another key");
        assert_eq!(store.load().unwrap().keys, [first.clone(), second.clone()], "{name}");
        assert!(matches!(store.add(&key("prod", 3)), Err(StateError::Refused(_))), "{name}: the name is in force");
        assert!(store.revoke("prod", WallTime(7)).unwrap(), "{name}: by name");
        changed("a revocation");
        assert!(!store.revoke("prod", WallTime(8)).unwrap(), "{name}: once");
        assert!(!store.revoke("nobody", WallTime(8)).unwrap(), "{name}");
        let again = key("prod", 4);
        store.add(&again).unwrap();
        changed("a name taken up again");
        assert!(store.revoke(&second.id, WallTime(9)).unwrap(), "{name}: by id");
        changed("a revocation by id");
        let revoked: Vec<_> = store.load().unwrap().keys.iter().map(|key| key.revoked).collect();
        assert_eq!(revoked, [Some(WallTime(7)), Some(WallTime(9)), None], "{name}");
    }
}

#[test]
fn groups_are_kept_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (stores, _server) = stores(&folder);
    for (name, store) in stores {
        let group = |path: &str, limit: &str| Group {
            path: path.to_owned(),
            grants: Grants { limits: vec![limit.parse().unwrap()], ..Grants::default() },
        };
        let before = store.revision().unwrap();
        store.put_group(&group("acme/search", "$5/day")).unwrap();
        store.put_group(&group("acme", "$9/day")).unwrap();
        store.put_group(&group("acme/search", "$6/day")).unwrap();
        assert_eq!(store.load().unwrap().groups, [group("acme", "$9/day"), group("acme/search", "$6/day")], "{name}");
        assert!(store.remove_group("acme").unwrap(), "{name}");
        assert!(!store.remove_group("acme").unwrap(), "{name}");
        assert_ne!(store.revision().unwrap(), before, "{name}");
        assert_eq!(store.load().unwrap().groups.len(), 1, "{name}");
    }
}

#[test]
fn what_one_process_writes_another_sees() {
    fn seen(mine: &dyn KeyStore, other: &dyn KeyStore) {
        let before = mine.revision().unwrap();
        other.add(&key("prod", 1)).unwrap();
        assert_ne!(mine.revision().unwrap(), before);
        assert_eq!(mine.load().unwrap(), other.load().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    seen(&sqlite::Keys::open(&file).unwrap(), &sqlite::Keys::open(&file).unwrap());
    let Some(server) = Postgres::start() else { return };
    seen(&postgres::Keys::new(&server.database()), &postgres::Keys::new(&server.database()));
}

#[test]
fn a_new_key_is_found_by_its_hash_and_its_text_is_nowhere() {
    let new = NewKey::make().unwrap();
    assert_eq!(KeyHash::of(new.text.as_bytes()), new.hash);
    assert_eq!(KeyHash::from_hex(&new.hash.to_hex()), Some(new.hash));
    assert!(new.text.starts_with("sk-rm-") && new.text.ends_with(&new.hint) && new.text.len() == 54);
    assert_ne!(NewKey::make().unwrap().text, new.text);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let mut stored = key("prod", 1);
    (stored.hash, stored.hint) = (new.hash, new.hint.clone());
    let store = sqlite::Keys::open(&file).unwrap();
    store.add(&stored).unwrap();
    drop(store);
    let told = format!("{stored:?}");
    let secret = &new.text[6..46];
    assert!(!told.contains(secret) && !told.contains(&new.hash.to_hex()));
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
}

#[test]
fn groups_nest_by_their_paths() {
    assert_eq!(around("acme/search/web").collect::<Vec<_>>(), ["acme", "acme/search", "acme/search/web"]);
    assert_eq!(around("acme").collect::<Vec<_>>(), ["acme"]);
    assert!(is_path("acme/search") && is_path("a"));
    assert!(!is_path("") && !is_path("/acme") && !is_path("acme//x") && !is_path("a b"));
}

#[test]
fn an_expiry_is_a_date_or_in_a_while() {
    let now = WallTime(1_000);
    assert_eq!(expiry("1d", now), Some(WallTime(86_401_000)));
    assert_eq!(expiry("9999-12-31", now).map(|last| last.to_string()).as_deref(), Some("9999-12-31T00:00:00Z"));
    for text in ["213502982334d", "3000000d", "", "never", "2027-02-30"] {
        assert_eq!(expiry(text, now), None, "{text}");
    }
}
