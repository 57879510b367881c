//! `ringmain tokens`: make, list and revoke tokens of the admin API in the database that `serve` keeps things in.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use ringmain_core::WallTime;
use ringmain_state::keys::is_name;
use ringmain_state::{Token, TokenStore};
use serde_json::{Value, json};

use crate::cli::{CreateToken, Database, ListKeys, RevokeToken, Tokens};
use crate::commands::keys::{expiry, now, stored, stored_or_made, write_down};
use crate::commands::{complain, say};

/// Runs one of the three.
pub(crate) fn run(command: &Tokens) -> anyhow::Result<ExitCode> {
    match command {
        Tokens::Create(arguments) => create(arguments),
        Tokens::List(arguments) => list(arguments),
        Tokens::Revoke(arguments) => revoke(arguments),
    }
}

fn open(database: &Database) -> anyhow::Result<Arc<dyn TokenStore>> {
    Ok(stored(database)?.tokens)
}

fn create(arguments: &CreateToken) -> anyhow::Result<ExitCode> {
    let name = &arguments.name;
    if !is_name(name) {
        bail!("`{name}` is no name of a token: write letters, digits, `-`, `_`, `.`, `@` or `:`");
    }
    let now = now();
    let expires = arguments.expires.as_deref().map(|text| expiry(text, now)).transpose()?;
    let store = stored_or_made(&arguments.database)?;
    let new = Token::make()?;
    let token = Token {
        id: new.id,
        name: name.clone(),
        hash: new.hash,
        hint: new.hint,
        scopes: arguments.scope.clone(),
        expires,
        created: now,
        revoked: None,
    };
    store.tokens.add_token(&token)?;
    write_down(&*store.audit, "ringmain tokens create", &token.id);
    if arguments.json {
        let mut shown = described(&token, now);
        shown["token"] = json!(new.text);
        say(&shown.to_string());
    } else {
        complain(&format!("token `{name}` ({}) is made. This is the only time it is shown:", token.id));
        say(&new.text);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &ListKeys) -> anyhow::Result<ExitCode> {
    let now = now();
    let tokens = open(&arguments.database)?.tokens()?;
    if arguments.json {
        let tokens: Vec<Value> = tokens.iter().map(|token| described(token, now)).collect();
        say(&json!({ "tokens": tokens }).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if tokens.is_empty() {
        say("no tokens; `ringmain tokens create NAME --scope analytics:read` makes one");
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = format!("{:24} {:8} {:10} {:20} {}\n", "name", "ends in", "standing", "id", "scopes");
    for token in &tokens {
        let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
        let (name, hint, standing, id) = (&token.name, &token.hint, token.standing(now), &token.id);
        let _ = writeln!(out, "{name:24} …{hint:7} {standing:10} {id:20} {}", scopes.join(" "));
    }
    say(out.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn revoke(arguments: &RevokeToken) -> anyhow::Result<ExitCode> {
    let which = &arguments.token;
    let store = stored(&arguments.database)?;
    if store.tokens.revoke_token(which, now())? {
        write_down(&*store.audit, "ringmain tokens revoke", which);
        say(&format!("`{which}` is revoked"));
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!("no token in force is called `{which}`; `ringmain tokens list` says which there are"));
    Ok(ExitCode::FAILURE)
}

/// What may be told of a token.
fn described(token: &Token, now: WallTime) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "ends_in": token.hint,
        "scopes": token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "standing": token.standing(now),
        "created": token.created.to_string(),
        "expires": token.expires.map(|time| time.to_string()),
        "revoked": token.revoked.map(|time| time.to_string()),
    })
}
