//! Who asks: Basic credentials, an API token or a session's cookie, resolved once and passed to every read (`rest.md` 10).
//!
//! A session may change things only with the token that a foreign page cannot read, and from this server's own pages.
//! Basic and tokens need neither: no browser sends it by itself.

mod password;
pub(crate) mod permission;
pub(crate) mod policy;
pub(crate) mod rights;
pub(crate) mod token;

use super::error::ApiError;
use crate::base::access::Access;
use crate::base::time::Timestamp;
use crate::runtime::clock::{Clock, SystemClock};
use crate::store::Store;
use crate::store::queries::account::{Account, Profile, Session};
use crate::store::queries::identity::Memberships;
use crate::store::together::Together;
use axum::http::Method;
use axum::http::header::{self, HeaderMap, HeaderValue};
use data_encoding::BASE64;
use password::{Passwords, digest_of, random_token};
use rights::Rights;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// A session lasts a working day, whatever happens in it.
const SESSION_MS: i64 = 12 * 60 * 60 * 1_000;
/// A token that signs in once is meant for the next minutes.
const ONE_TIME_MS: i64 = 60 * 60 * 1_000;
const ONE_TIME_MAX: usize = 100;
const NAME_BYTES_MAX: usize = 255;
const COOKIE: &str = "TRANSHUME-SESSION";
const GUARD_COOKIE: &str = "XSRF-TOKEN";
const GUARD_HEADER: &str = "x-xsrf-token";

/// Members of this group are administrators, as existing tools expect it.
const ADMINISTRATORS: &str = "camunda-admin";
/// Of so many accounts a node keeps what they may do.
const KNOWN_MAX: usize = 10_000;

/// Who has signed in for this request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) access: Access,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) rights: Arc<Rights>,
    /// Signed in with an API token; whether that narrows what he may do.
    pub(crate) token: Option<bool>,
}

impl Caller {
    /// Whether he is this user and may what one may as oneself: a token whose rights are narrowed may only what it lists.
    pub(crate) fn is(&self, user: &str) -> bool {
        self.access.user.as_deref() == Some(user)
    }

    /// No row is kept from him.
    pub(crate) fn sees_all(&self) -> bool {
        self.access.tenants.is_none() && self.rights.is_everything()
    }

    /// He may do and see all that the other may: who gets hold of the other's account gains nothing.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let tenants = match (&self.access.tenants, &other.access.tenants) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others.is_subset(own),
        };
        tenants && (self.access.admin || !other.access.admin) && self.rights.cover(&other.rights)
    }

    fn of(account: &Account, memberships: Memberships) -> Self {
        let groups: BTreeSet<String> = memberships.groups.into_iter().collect();
        let by_group = groups.contains(ADMINISTRATORS);
        let admin = account.is_admin != 0 || by_group;
        let tenants = (account.every_tenant == 0 && !by_group).then(|| memberships.tenants.into_iter().collect());
        let access = Access { user: Some(account.name.clone()), groups: groups.clone(), tenants, admin };
        let rights = if admin { Rights::everything() } else { Rights::of(&memberships.rules) };
        Self { user: account.name.clone(), access, groups, rights: Arc::new(rights), token: None }
    }
}

/// An account and what it may do.
#[derive(Clone, Debug)]
struct Known {
    hash: String,
    caller: Caller,
}

/// What was read while the number of changes was this one.
#[derive(Debug, Default)]
struct KnownAll {
    change: i64,
    callers: BTreeMap<String, Known>,
}

#[derive(Debug)]
pub(crate) struct SignIn {
    store: Store,
    passwords: Passwords,
    known: Mutex<KnownAll>,
    changes: Together<(), i64>,
    /// Digest of the token that makes the first administrator.
    setup: Mutex<Option<String>>,
    /// Digest to user and end.
    one_time: Mutex<BTreeMap<String, (String, Timestamp)>>,
    /// The page is served over TLS, by us or by a proxy before us.
    secure: bool,
}

/// Cookies of a session that begins or ends.
pub(crate) type Cookies = [HeaderValue; 2];

impl SignIn {
    pub(crate) fn new(store: Store, setup: Option<&str>, secure: bool) -> Self {
        let setup = Mutex::new(setup.map(digest_of));
        let (passwords, known, changes, one_time) = Default::default();
        Self { store, passwords, known, changes, setup, one_time, secure }
    }

    /// The account of this name. A change of any account, group, tenant or authorization, on whatever node, is seen by the
    /// next request.
    async fn known(&self, name: &str) -> Result<Option<Known>, ApiError> {
        let number = async |_| Ok([((), self.store.identity_change().await?)].into());
        let change = self.changes.get((), number).await?.unwrap_or_default();
        {
            let mut known = self.known.lock().expect("no panic under it");
            if known.change != change {
                *known = KnownAll { change, callers: BTreeMap::new() };
            }
            if let Some(found) = known.callers.get(name) {
                return Ok(Some(found.clone()));
            }
        }
        let Some(account) = self.store.account(name).await? else { return Ok(None) };
        let caller = Caller::of(&account, self.store.memberships(name).await?);
        let found = Known { hash: account.hash, caller };
        let mut known = self.known.lock().expect("no panic under it");
        if known.change == change && known.callers.len() < KNOWN_MAX {
            known.callers.insert(name.to_owned(), found.clone());
        }
        Ok(Some(found))
    }

    /// The account of this name, as a request of its own would be.
    pub(crate) async fn caller_named(&self, name: &str) -> Result<Option<Caller>, ApiError> {
        Ok(self.known(name).await?.map(|known| known.caller))
    }

    /// What membership in this group alone would allow.
    pub(crate) async fn member_of(&self, group: &str) -> Result<Caller, ApiError> {
        let nobody = Account {
            name: String::new(),
            hash: String::new(),
            first_name: None,
            last_name: None,
            email: None,
            every_tenant: 0,
            is_admin: 0,
            created_at: 0,
        };
        Ok(Caller::of(&nobody, self.store.memberships_by_group(group).await?))
    }

    /// Forgets how often somebody failed to sign in.
    pub(crate) fn unlock(&self, user: &str) {
        self.passwords.succeeded(user);
    }

    /// The caller, `None` without any credentials; wrong ones are an error.
    pub(crate) async fn caller(
        &self,
        method: &Method,
        headers: &HeaderMap,
        address: Option<&str>,
    ) -> Result<Option<Caller>, ApiError> {
        if let Some(secret) = token::bearer(headers) {
            return self.bearer(secret, address).await.map(Some);
        }
        if let Some((user, password)) = basic(headers)? {
            return self.verify(&user, &password, address).await?.map(Some).ok_or_else(ApiError::unauthenticated);
        }
        let Some(token) = self.cookie(headers, COOKIE) else {
            return Ok(None);
        };
        let Some(session) = self.store.session(&digest_of(&token), now()).await? else {
            return Ok(None);
        };
        if !method.is_safe() {
            self.check_origin(headers, &session)?;
        }
        self.caller_named(&session.account).await
    }

    /// The account behind a name and password; slow for who has failed before.
    pub(crate) async fn verify(
        &self,
        user: &str,
        password: &str,
        address: Option<&str>,
    ) -> Result<Option<Caller>, ApiError> {
        if user.is_empty() || user.len() > NAME_BYTES_MAX {
            return Ok(None);
        }
        let names: Vec<String> =
            [Some(user.to_owned()), address.map(|address| format!("@{address}"))].into_iter().flatten().collect();
        tokio::time::sleep(self.passwords.wait(&names, now())).await;
        let known = self.known(user).await?;
        let hash = known.as_ref().map(|known| known.hash.as_str());
        if self.passwords.verify(hash, password, now()).await {
            self.passwords.succeeded(user);
            return Ok(known.map(|known| known.caller));
        }
        self.passwords.failed(&names, now());
        tracing::info!(user.name = user, "sign-in refused");
        Ok(None)
    }

    pub(crate) async fn setup_needed(&self) -> Result<bool, ApiError> {
        Ok(!self.store.has_accounts().await?)
    }

    /// Makes the first administrator and signs him in.
    pub(crate) async fn set_up(&self, token: &str, user: &str, password: String) -> Result<Cookies, ApiError> {
        let wanted = self.setup.lock().expect("no panic under it").clone();
        if wanted != Some(digest_of(token)) {
            let words = "This is not the set-up token: the server printed it at its first start.";
            return Err(ApiError::forbidden(words).because("wrong-token"));
        }
        self.add_account(user, password, BTreeSet::new(), None, true, true).await?;
        *self.setup.lock().expect("no panic under it") = None;
        self.begin(user).await
    }

    /// Adds an account; with `first` only while there is none.
    pub(crate) async fn add_account(
        &self,
        user: &str,
        password: String,
        groups: BTreeSet<String>,
        tenants: Option<BTreeSet<String>>,
        admin: bool,
        first: bool,
    ) -> Result<(), ApiError> {
        let profile = Profile::default();
        let new = NewUser { name: user, password, profile, every_tenant: tenants.is_none(), admin, groups, tenants };
        if self.add(new, first).await? {
            return Ok(());
        }
        let words = if first { "An administrator exists already: sign in." } else { "There is such a user already." };
        Err(ApiError::refused("InvalidRequestException", words).because("exists"))
    }

    /// False: the name is taken, or `first` and there is one.
    pub(crate) async fn add(&self, new: NewUser<'_>, first: bool) -> Result<bool, ApiError> {
        check_name("user", new.name)?;
        let hash = hashed(new.password).await?;
        let account = Account {
            name: new.name.to_owned(),
            hash,
            first_name: new.profile.first_name,
            last_name: new.profile.last_name,
            email: new.profile.email,
            every_tenant: new.every_tenant.into(),
            is_admin: new.admin.into(),
            created_at: now().0,
        };
        Ok(self.store.add_account(&account, &new.groups, &new.tenants.unwrap_or_default(), first).await?)
    }

    /// Ends all sessions of the account. False: there is none of this name.
    pub(crate) async fn change_password(&self, user: &str, password: String) -> Result<bool, ApiError> {
        Ok(self.store.change_hash(user, &hashed(password).await?).await?)
    }

    /// A token that signs this user in once.
    pub(crate) fn one_time_token(&self, user: &str) -> String {
        let token = random_token();
        let mut open = self.one_time.lock().expect("no panic under it");
        open.retain(|_, (_, end)| *end > now());
        if open.len() < ONE_TIME_MAX {
            open.insert(digest_of(&token), (user.to_owned(), now().plus_ms(ONE_TIME_MS)));
        }
        token
    }

    /// The user of a one-time token, which is used up.
    pub(crate) async fn redeem(&self, token: &str) -> Result<Option<Caller>, ApiError> {
        let found = self.one_time.lock().expect("no panic under it").remove(&digest_of(token));
        match found {
            Some((user, end)) if end > now() => self.caller_named(&user).await,
            Some(_) | None => Ok(None),
        }
    }

    /// Begins a session.
    pub(crate) async fn begin(&self, user: &str) -> Result<Cookies, ApiError> {
        let (token, guard) = (random_token(), random_token());
        let session = Session {
            token: digest_of(&token),
            account: user.to_owned(),
            guard: digest_of(&guard),
            created_at: now(),
            expires_at: now().plus_ms(SESSION_MS),
        };
        self.store.add_session(&session).await?;
        let seconds = SESSION_MS / 1_000;
        Ok([self.set(COOKIE, &token, seconds, true), self.set(GUARD_COOKIE, &guard, seconds, false)])
    }

    /// Ends the session of this request, if it has one.
    pub(crate) async fn end(&self, headers: &HeaderMap) -> Result<Cookies, ApiError> {
        if let Some(token) = self.cookie(headers, COOKIE) {
            self.store.remove_session(&digest_of(&token)).await?;
        }
        Ok([self.set(COOKIE, "", 0, true), self.set(GUARD_COOKIE, "", 0, false)])
    }

    fn set(&self, name: &str, value: &str, seconds: i64, hidden: bool) -> HeaderValue {
        let name = self.cookie_name(name);
        let hidden = if hidden { "; HttpOnly" } else { "" };
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Strict{hidden}{secure}");
        HeaderValue::from_str(&text).expect("plain letters")
    }

    /// Browsers keep a name with this prefix for this host alone, and take it over TLS only.
    fn cookie_name(&self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    fn cookie(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let wanted = self.cookie_name(name);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    }

    /// A call that changes something comes from our own page, which alone can read the guard's cookie.
    pub(crate) fn check_origin(&self, headers: &HeaderMap, session: &Session) -> Result<(), ApiError> {
        let guard = headers.get(GUARD_HEADER).and_then(|guard| guard.to_str().ok());
        let cookie = self.cookie(headers, GUARD_COOKIE);
        let told = guard.is_some_and(|guard| digest_of(guard) == session.guard && cookie.as_deref() == Some(guard));
        if told && is_own_origin(headers) {
            return Ok(());
        }
        let words = "A session changes things only from its own page: send the cookie XSRF-TOKEN back as X-XSRF-TOKEN.";
        Err(ApiError::forbidden(words).because("forged"))
    }
}

/// An account to be made.
pub(crate) struct NewUser<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: String,
    pub(crate) profile: Profile,
    pub(crate) every_tenant: bool,
    pub(crate) admin: bool,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) tenants: Option<BTreeSet<String>>,
}

/// Names of users, groups and tenants: Basic credentials end a user's name at the colon.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(':')
        && !name.chars().any(char::is_control)
        && name.trim() == name;
    if plain && name != rights::ANY {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "The id of a {what} has 1 to {NAME_BYTES_MAX} bytes, without colon and blanks around it."
    )))
}

async fn hashed(password: String) -> Result<String, ApiError> {
    if password.is_empty() || password.len() > password::PASSWORD_BYTES_MAX {
        return Err(ApiError::invalid("A password has 1 to 1024 bytes."));
    }
    Ok(password::hash(password).await)
}

/// An `Origin`, where the browser tells one, is this server's.
pub(crate) fn is_own_origin(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(header::HOST)
}

/// Name and password of an `Authorization: Basic`; another scheme is refused.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, ApiError> {
    let Some(line) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let pair = line.to_str().ok().and_then(|line| {
        let (scheme, word) = line.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let plain = String::from_utf8(BASE64.decode(word.trim().as_bytes()).ok()?).ok()?;
        let (user, password) = plain.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    });
    pair.map(Some).ok_or_else(ApiError::unauthenticated)
}

/// Sessions live in real time, whatever clock the engine has.
fn now() -> Timestamp {
    SystemClock.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("plain"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn basic_credentials_are_read() {
        let line = format!("Basic {}", BASE64.encode("ada:a:b".as_bytes()));
        let read = basic(&headers(&[("authorization", &line)])).expect("read");
        assert_eq!(read, Some(("ada".to_owned(), "a:b".to_owned())));
        assert_eq!(basic(&HeaderMap::new()).expect("read"), None);
        for wrong in ["Basic", "Basic %%", "Bearer x", "Basic YWRh"] {
            assert!(basic(&headers(&[("authorization", wrong)])).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_our_own_pages_count() {
        assert!(is_own_origin(&headers(&[("host", "a:1")])));
        assert!(is_own_origin(&headers(&[("host", "a:1"), ("origin", "http://a:1")])));
        for foreign in ["http://b:1", "http://a:2", "null", "http://a:1.evil"] {
            assert!(!is_own_origin(&headers(&[("host", "a:1"), ("origin", foreign)])), "{foreign}");
        }
    }
}
