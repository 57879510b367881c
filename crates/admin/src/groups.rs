//! `/api/groups`: groups of keys; and `/api/audit`: what was changed.

use std::sync::Arc;

use ringmain_state::Group;
use ringmain_state::keys::is_path;
use serde_json::{Value, json};

use crate::Ask;
use crate::answer::{Answer, Problem, blocking};
use crate::keys::{Wanted, change, granted};
use crate::window::Query;

/// Every group of the store and of the file; the file's stand above the store's.
pub(crate) async fn list(ask: Ask<'_>) -> Result<Answer, Problem> {
    Query::read(ask.query, &[])?;
    let gateway = &ask.admin.gateway;
    let of_file = gateway.rules().config.groups.clone();
    let mut groups: Vec<Value> = Vec::new();
    for group in &of_file {
        let mut value = granted(&ringmain_engine::keys::grants(&group.grants));
        value["path"] = json!(group.path);
        value["source"] = json!("file");
        groups.push(value);
    }
    let is_new = |group: &&Group| of_file.iter().all(|known| known.path != group.path);
    for group in gateway.keys.stored().groups.iter().filter(is_new) {
        let mut value = granted(&group.grants);
        value["path"] = json!(group.path);
        value["source"] = json!("database");
        groups.push(value);
    }
    Ok(Answer::Json(json!({ "groups": groups })))
}

/// Makes a group, or says anew what it may do.
pub(crate) async fn put(ask: Ask<'_>) -> Result<Answer, Problem> {
    if !is_path(&ask.rest) {
        return Err(Problem::bad("this is no path of a group: write a name, or several with `/` between them"));
    }
    if ask.admin.gateway.rules().config.groups.iter().any(|group| group.path == ask.rest) {
        return Err(Problem::bad("this group is written in the configuration: change it there"));
    }
    let grants = Wanted::read(&ask.body)?.grants(ask.admin)?;
    if grants.group.is_some() {
        return Err(Problem::bad("a group is within the groups of its path: take `group` out"));
    }
    let mut value = granted(&grants);
    value["path"] = json!(ask.rest);
    let group = Group { path: ask.rest.clone(), grants };
    change(ask.admin, move |store| store.put_group(&group)).await?;
    Ok(Answer::Json(value))
}

/// Takes a group out of the store.
pub(crate) async fn remove(ask: Ask<'_>) -> Result<Answer, Problem> {
    let path = ask.rest.clone();
    if !change(ask.admin, move |store| store.remove_group(&path)).await? {
        return Err(Problem::missing("the database has no such group"));
    }
    Ok(Answer::Json(json!({ "removed": ask.rest })))
}

/// The latest changes, newest first.
pub(crate) async fn audit(ask: Ask<'_>) -> Result<Answer, Problem> {
    let query = Query::read(ask.query, &["limit"])?;
    let most = query.count("limit", 100, 1000)?;
    let log = Arc::clone(&ask.admin.audit);
    let entries = blocking(move || log.latest(most)).await?;
    let told = entries.iter().map(|entry| {
        json!({
            "at": entry.at.to_string(),
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "status": entry.status,
        })
    });
    Ok(Answer::Json(json!({ "entries": told.collect::<Vec<_>>() })))
}
