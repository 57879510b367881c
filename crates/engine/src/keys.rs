//! The virtual keys in force: a snapshot that callers are looked up in, made anew when the rules or the store change.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use ringmain_config::{Config, Names, Shown};
use ringmain_core::{KeyName, Limit, Metered, WallTime};
use ringmain_state::keys::around;
use ringmain_state::quota::{LimitId, LimitIds};
use ringmain_state::{Grants, KeyHash, KeySet};
use secrecy::ExposeSecret;

/// The id of a key that is written in the configuration begins so.
pub const OF_CONFIG: &str = "config:";

/// A virtual key, with all that its groups add to it.
#[derive(Debug)]
pub struct ActiveKey {
    /// Who it is.
    pub name: KeyName,
    /// Tags its requests carry.
    pub tags: Vec<(String, String)>,
    /// The limits that hold for it, its own and its groups', outermost first.
    pub limits: Vec<Held>,
    /// The same as stores know them, in this order.
    pub limit_ids: LimitIds,
    /// The route its requests take once a limit is used up.
    pub on_exhausted: Option<String>,
    expires: Option<WallTime>,
    revoked: bool,
    levels: Vec<Level>,
}

/// A limit, and who holds to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Held {
    /// Whose use counts: `key:<id>` or `group:<path>`.
    pub scope: Arc<str>,
    /// The same for people: ``key `prod` ``.
    pub whose: Arc<str>,
    /// How much.
    pub limit: Limit,
}

impl Held {
    /// The limit as stores know it.
    #[must_use]
    pub fn id(&self) -> LimitId {
        LimitId::new(Arc::clone(&self.scope), self.limit)
    }
}

/// What one level, a group or the key itself, allows.
#[derive(Debug)]
struct Level {
    whose: Arc<str>,
    routes: Option<Names>,
    models: Option<Names>,
    /// A limit that is counted in what an answer says, if it has one.
    metered: Option<Limit>,
}

/// What `routes` calls requests that are passed through to any provider; to one alone they are `passthrough/<provider>`.
pub const PASSTHROUGH: &str = "passthrough";

impl ActiveKey {
    /// May it take this route, for this model as the caller wrote it?
    ///
    /// # Errors
    /// No: what to say to the caller.
    pub fn may(&self, route: &str, model: &str) -> Result<(), String> {
        let model = model.replace("%2F", "/").replace("%2f", "/");
        let bare = model.split_once('/').map(|(_, bare)| bare);
        for level in &self.levels {
            let fits = |names: &Names| names.find(&model).is_some() || bare.is_some_and(|it| names.find(it).is_some());
            if let Some(models) = level.models.as_ref().filter(|names| !fits(names)) {
                return Err(format!("{} may not ask for the model `{model}`; it may for {models}", level.whose));
            }
            if let Some(routes) = level.routes.as_ref().filter(|names| names.find(route).is_none()) {
                return Err(format!("{} may not take the route `{route}`; it may take {routes}", level.whose));
            }
        }
        Ok(())
    }

    /// Is it for some models alone?
    #[must_use]
    pub fn names_models(&self) -> bool {
        self.levels.iter().any(|level| level.models.is_some())
    }

    /// May its requests be passed through to this provider? Nobody reads them, so that whoever may ask only for some
    /// models, or only so much, may not, unless `routes` says so by name.
    ///
    /// # Errors
    /// No: what to say to the caller.
    pub fn may_pass(&self, provider: &str) -> Result<(), String> {
        let one = format!("{PASSTHROUGH}/{provider}");
        for Level { whose, routes, models, metered } in &self.levels {
            let fits = |names: &Names| names.find(PASSTHROUGH).or_else(|| names.find(&one)).is_some();
            let named = |names: &Names| {
                let texts = names.texts().filter(|text| text.starts_with(PASSTHROUGH)).map(ToOwned::to_owned);
                Names::new(texts.collect::<Vec<_>>()).is_ok_and(|named| fits(&named))
            };
            let why = match (routes, models, metered) {
                (Some(routes), ..) if named(routes) => continue,
                (Some(routes), ..) if !fits(routes) => format!("it may take {routes}"),
                (_, Some(models), _) => {
                    format!("it may ask for {models} alone, and nobody reads what is passed through")
                }
                (.., Some(limit)) => format!("it has {limit}, and nobody reads what is passed through"),
                (_, None, None) => continue,
            };
            return Err(format!(
                "{whose} may not have requests passed through to `{provider}`: {why}; `{PASSTHROUGH}` or `{one}` among \
                 its `routes` allows it"
            ));
        }
        Ok(())
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anybody: nothing is asked for here.
    Anyone,
    /// Whoever knows the admin secret.
    Admin,
    /// The holder of a key.
    Key(Arc<ActiveKey>),
}

impl Caller {
    /// The key, if it is one's holder.
    #[must_use]
    pub const fn key(&self) -> Option<&Arc<ActiveKey>> {
        match self {
            Self::Key(key) => Some(key),
            Self::Anyone | Self::Admin => None,
        }
    }
}

/// What a credential is.
#[derive(Debug)]
pub enum Known {
    /// A key in force.
    Good(Arc<ActiveKey>),
    /// A key that was revoked.
    Revoked,
    /// A key whose time is over.
    Expired,
    /// Nothing we gave out.
    No,
}

/// Every key, found by the hash of its text.
#[derive(Debug, Default)]
pub struct Keyring {
    by_hash: HashMap<KeyHash, Arc<ActiveKey>>,
}

impl Keyring {
    /// The keys of the configuration and those of the store. A group that both have is the configuration's.
    #[must_use]
    pub fn of(config: &Config, stored: &KeySet) -> Self {
        let mut groups: BTreeMap<&str, Grants> =
            stored.groups.iter().map(|group| (group.path.as_str(), group.grants.clone())).collect();
        groups.extend(config.groups.iter().map(|group| (group.path.as_str(), grants(&group.grants))));
        let mut by_hash = HashMap::new();
        for key in &stored.keys {
            let key_name = name(&key.id, &key.name, key.grants.group.as_deref());
            let active = active(key_name, key.expires, key.revoked.is_some(), &key.grants, &groups);
            by_hash.insert(key.hash, Arc::new(active));
        }
        for key in &config.keys {
            let hash = match &key.shown {
                Shown::Key(text) => KeyHash::of(text.expose_secret().as_bytes()),
                Shown::Sha256(hash) => KeyHash(*hash),
            };
            let key_name = name(&format!("{OF_CONFIG}{}", key.name), &key.name, key.grants.group.as_deref());
            by_hash.insert(hash, Arc::new(active(key_name, key.expires, false, &grants(&key.grants), &groups)));
        }
        Self { by_hash }
    }

    /// Must callers show a key? Once there ever was one, also when all are revoked.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        !self.by_hash.is_empty()
    }

    /// Looks a credential up. The time this takes depends on its hash, which tells nothing of any key.
    #[must_use]
    pub fn find(&self, shown: &[u8], now: WallTime) -> Known {
        match self.by_hash.get(&KeyHash::of(shown)) {
            None => Known::No,
            Some(key) if key.revoked => Known::Revoked,
            Some(key) if key.expires.is_some_and(|expires| now >= expires) => Known::Expired,
            Some(key) => Known::Good(Arc::clone(key)),
        }
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ActiveKey>> {
        self.by_hash.values()
    }
}

fn name(id: &str, name: &str, group: Option<&str>) -> KeyName {
    KeyName { id: id.into(), name: name.into(), group: group.map(Into::into) }
}

/// What the configuration grants, as stores know it.
#[must_use]
pub fn grants(written: &ringmain_config::Grants) -> Grants {
    let ringmain_config::Grants { group, routes, models, tags, limits, on_exhausted } = written.clone();
    Grants { group, routes, models, tags, limits, on_exhausted }
}

fn active(
    name: KeyName,
    expires: Option<WallTime>,
    revoked: bool,
    own: &Grants,
    groups: &BTreeMap<&str, Grants>,
) -> ActiveKey {
    let around = own.group.as_deref().map(around).into_iter().flatten();
    let around = around
        .filter_map(|path| Some((format!("group:{path}").into(), format!("group `{path}`").into(), groups.get(path)?)));
    let itself: (Arc<str>, Arc<str>, _) =
        (format!("key:{}", name.id).into(), format!("key `{}`", name.name).into(), own);
    let (mut tags, mut limits, mut levels, mut on_exhausted) = (BTreeMap::new(), Vec::new(), Vec::new(), None);
    for (scope, whose, grants) in around.chain([itself]) {
        tags.extend(grants.tags.iter().cloned());
        let held = |limit: &Limit| Held { scope: Arc::clone(&scope), whose: Arc::clone(&whose), limit: *limit };
        grants.limits.iter().map(held).for_each(|held| hold(&mut limits, held));
        on_exhausted = grants.on_exhausted.clone().or(on_exhausted);
        let metered = grants.limits.iter().find(|limit| matches!(limit.of, Metered::Tokens | Metered::Money)).copied();
        levels.push(Level { routes: names(&grants.routes), models: names(&grants.models), metered, whose });
    }
    let limit_ids = limits.iter().map(Held::id).collect();
    ActiveKey { name, tags: tags.into_iter().collect(), limits, limit_ids, on_exhausted, expires, revoked, levels }
}

/// Of limits that differ in nothing but how much they allow the smallest holds, so that no use is counted twice.
fn hold(limits: &mut Vec<Held>, held: Held) {
    match limits.iter_mut().find(|other| other.id() == held.id()) {
        Some(other) => other.limit.most = other.limit.most.min(held.limit.most),
        None => limits.push(held),
    }
}

/// Can these be names or globs?
///
/// # Errors
/// The first that cannot, and why.
pub fn check_globs(globs: &[String]) -> Result<(), (String, String)> {
    Names::new(globs).map(|_| ())
}

/// Stored globs were checked when they were written; one that is none after all lets nobody through.
fn names(globs: &[String]) -> Option<Names> {
    (!globs.is_empty()).then(|| Names::new(globs).unwrap_or_default())
}

/// The ring, and what it is made of.
#[derive(Debug, Default)]
pub struct Keys {
    ring: ArcSwap<Keyring>,
    /// There is a store, and nobody has read it yet.
    unread: AtomicBool,
    stored: Mutex<Arc<KeySet>>,
}

impl Keys {
    /// The keys in force.
    #[must_use]
    pub fn ring(&self) -> arc_swap::Guard<Arc<Keyring>> {
        self.ring.load()
    }

    /// There is a store that cannot be read: until it is, nobody is let in for want of keys.
    pub fn are_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }

    /// Is there a store that was never read?
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }

    /// What was last read from the store.
    #[must_use]
    pub fn stored(&self) -> Arc<KeySet> {
        Arc::clone(&self.last())
    }

    /// The store holds these from now on.
    pub fn learn(&self, stored: KeySet, config: &Config) {
        let mut last = self.last();
        *last = Arc::new(stored);
        self.ring.store(Arc::new(Keyring::of(config, &last)));
        self.unread.store(false, Ordering::Release);
    }

    /// The configuration is this one from now on.
    pub fn rebind(&self, config: &Config) {
        self.ring.store(Arc::new(Keyring::of(config, &self.last())));
    }

    fn last(&self) -> MutexGuard<'_, Arc<KeySet>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
