//! `ringmain keys`: make, list and revoke virtual keys in the database that `serve` keeps things in.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use ringmain_core::WallTime;
use ringmain_state::keys::{is_name, is_path};
use ringmain_state::{AuditEntry, AuditLog, Grants, KeyStore, NewKey, VirtualKey};
use serde_json::{Value, json};

use crate::base::{Base, StoredKeys};
use crate::cli::{CreateKey, Database, Keys, ListKeys, RevokeKey};
use crate::commands::{complain, say};
use crate::rules_file::{self, Rules};

/// Runs one of the three.
pub(crate) fn run(command: &Keys) -> anyhow::Result<ExitCode> {
    match command {
        Keys::Create(arguments) => create(arguments),
        Keys::List(arguments) => list(arguments),
        Keys::Revoke(arguments) => revoke(arguments),
    }
}

fn create(arguments: &CreateKey) -> anyhow::Result<ExitCode> {
    let Some(name) = arguments.name.as_ref().or(arguments.named.as_ref()) else { bail!("say what to call it: NAME") };
    if !is_name(name) {
        bail!("`{name}` is no name of a key: write letters, digits, `-`, `_`, `.`, `@` or `:`");
    }
    if let Some(group) = arguments.group.as_ref().filter(|group| !is_path(group)) {
        bail!("`{group}` is no path of a group: write a name, or several with `/` between them");
    }
    let on_exhausted = match arguments.on_exhausted.as_deref() {
        None | Some("error") => None,
        Some(text) => {
            Some(text.strip_prefix("route:").context("--on-exhausted takes `error` or `route:NAME`")?.to_owned())
        }
    };
    let now = now();
    let expires = arguments.expires.as_deref().map(|text| expiry(text, now)).transpose()?;
    let store = stored_or_made(&arguments.database)?;
    let new = NewKey::make()?;
    let key = VirtualKey {
        id: new.id,
        name: name.clone(),
        hash: new.hash,
        hint: new.hint,
        expires,
        created: now,
        revoked: None,
        grants: Grants {
            group: arguments.group.clone(),
            routes: arguments.route.clone(),
            models: arguments.model.clone(),
            tags: arguments.tag.clone(),
            limits: arguments.limit.clone(),
            on_exhausted,
        },
    };
    store.keys.add(&key)?;
    write_down(&*store.audit, "ringmain keys create", &key.id);
    if arguments.json {
        let mut shown = described(&key, now);
        shown["key"] = json!(new.text);
        say(&shown.to_string());
    } else {
        complain(&format!("key `{name}` ({}) is made. This is the only time it is shown:", key.id));
        say(&new.text);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &ListKeys) -> anyhow::Result<ExitCode> {
    let now = now();
    let set = open(&arguments.database)?.load()?;
    if arguments.json {
        let keys: Vec<Value> = set.keys.iter().map(|key| described(key, now)).collect();
        say(&json!({ "keys": keys }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if set.keys.is_empty() {
        say("no keys; `ringmain keys create NAME` makes one");
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = format!("{:24} {:24} {:8} {:10} {:20} {}\n", "name", "group", "ends in", "standing", "id", "limits");
    for key in &set.keys {
        let limits: Vec<String> = key.grants.limits.iter().map(ToString::to_string).collect();
        let group = key.grants.group.as_deref().unwrap_or("-");
        let (name, hint, standing, id) = (&key.name, &key.hint, key.standing(now), &key.id);
        let _ = writeln!(out, "{name:24} {group:24} …{hint:7} {standing:10} {id:20} {}", limits.join(", "));
    }
    say(out.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn revoke(arguments: &RevokeKey) -> anyhow::Result<ExitCode> {
    let which = &arguments.key;
    let store = stored(&arguments.database)?;
    if store.keys.revoke(which, now())? {
        write_down(&*store.audit, "ringmain keys revoke", which);
        say(&format!("`{which}` is revoked; gateways that run refuse it within 5 seconds"));
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!("no key in force is called `{which}`; `ringmain keys list` says which there are"));
    Ok(ExitCode::FAILURE)
}

/// Writes a change down where the admin plane writes its own. One that is made and cannot be written down is said.
pub(crate) fn write_down(log: &dyn AuditLog, command: &str, subject: &str) {
    let (actor, action) = ("command line".to_owned(), command.to_owned());
    let entry = AuditEntry { at: now(), actor, action, subject: subject.to_owned(), status: 200 };
    if let Err(error) = log.append(&entry) {
        complain(&format!("this could not be written into the audit log: {error}"));
    }
}

/// What may be told of a key.
pub(crate) fn described(key: &VirtualKey, now: WallTime) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "ends_in": key.hint,
        "standing": key.standing(now),
        "created": key.created.to_string(),
        "expires": key.expires.map(|time| time.to_string()),
        "revoked": key.revoked.map(|time| time.to_string()),
        "group": key.grants.group,
        "routes": key.grants.routes,
        "models": key.grants.models,
        "tags": key.grants.tags.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "limits": key.grants.limits,
        "on_exhausted": key.grants.on_exhausted.as_ref().map(|route| format!("route:{route}")),
    })
}

/// The database that is named, or that the configuration names, if it is there.
fn open(database: &Database) -> anyhow::Result<Arc<dyn KeyStore>> {
    Ok(stored(database)?.keys)
}

/// What is kept of keys and tokens in a database that is there. To look into one is not to make it: a misspelt name is said.
pub(crate) fn stored(database: &Database) -> anyhow::Result<StoredKeys> {
    let base = base(database)?;
    if !base.is_there() {
        bail!("there is no database {}", base.name());
    }
    opened(&base)
}

/// The same, in a database that is made where it is not there.
pub(crate) fn stored_or_made(database: &Database) -> anyhow::Result<StoredKeys> {
    opened(&base(database)?)
}

fn opened(base: &Base) -> anyhow::Result<StoredKeys> {
    base.keys().with_context(|| format!("opening {}", base.name()))
}

/// The database that is named, or that the configuration names.
fn base(database: &Database) -> anyhow::Result<Base> {
    match (&database.database, &database.config) {
        (Some(named), _) => Base::named(named),
        (None, Some(config)) => of_config(config),
        (None, None) => bail!(
            "say where keys are kept: --config ringmain.yaml (with `state: {{ database: sqlite:ringmain.db }}` in it), or \
             --database ringmain.db"
        ),
    }
}

fn of_config(config: &std::path::Path) -> anyhow::Result<Base> {
    let catalog = rules_file::catalog(None)?;
    let text = rules_file::text(config)?;
    let sources = rules_file::Rehearsal::of(&text, &catalog);
    let Some(Rules { config: rules, .. }) = rules_file::rehearsed(config, &text, &sources, &catalog) else {
        bail!("{} cannot be used", config.display());
    };
    Base::of(&rules.state)?.with_context(|| {
        format!("{} keeps nothing: add `state: {{ database: sqlite:ringmain.db }}` to it", config.display())
    })
}

/// `30d` from now, or a date.
pub(crate) fn expiry(text: &str, now: WallTime) -> anyhow::Result<WallTime> {
    let expected = "--expires takes a duration such as 30d, or a date such as 2027-01-31";
    ringmain_state::keys::expiry(text, now).context(expected)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_for_keys_makes_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("typo.db");
        let database = Database { database: Some(file.display().to_string()), config: None };
        let said = stored(&database).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("there is no database") && !file.exists(), "{said}");
        assert!(stored_or_made(&database).is_ok() && file.exists());
        assert!(stored(&database).is_ok());
    }
}
