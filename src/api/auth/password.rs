//! Passwords: argon2id, off the threads that answer, and never twice for the same pair within a minute.
//!
//! An unknown user costs as much as a wrong password. Failures slow down who fails: by user and by address, so that
//! guessing one user's password from many places is slow, and many users' from one.

use crate::base::time::Timestamp;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// A verified pair is taken for so long without asking argon2 again.
const VERIFIED_MS: i64 = 60_000;
const VERIFIED_MAX: usize = 1_000;
/// After so long without a failure all is forgotten.
const FORGET_MS: i64 = 15 * 60_000;
const FAILURES_KEPT_MAX: usize = 10_000;
const FIRST_WAIT_MS: u64 = 100;
const LONGEST_WAIT_MS: u64 = 5_000;
/// One verification takes 19 MiB.
const AT_ONCE_MAX: usize = 4;

pub(crate) const PASSWORD_BYTES_MAX: usize = 1_024;

/// What a hash of nobody's password looks like, so that unknown users cost the same.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash_now("nobody's"));

#[derive(Debug)]
pub(super) struct Passwords {
    /// Digest of hash and password, to when it is trusted.
    verified: Mutex<BTreeMap<[u8; 32], Timestamp>>,
    failures: Mutex<BTreeMap<String, Failures>>,
    slots: tokio::sync::Semaphore,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Default for Passwords {
    fn default() -> Self {
        let slots = tokio::sync::Semaphore::new(AT_ONCE_MAX);
        Self { verified: Mutex::default(), failures: Mutex::default(), slots }
    }
}

impl Passwords {
    /// Whether the password is the one behind `hash`; `None` for a user who is not there.
    pub(super) async fn verify(&self, hash: Option<&str>, password: &str, now: Timestamp) -> bool {
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let pair = pair(hash.unwrap_or(&NOBODY), password);
        let known = self.verified.lock().expect("no panic under it").get(&pair).is_some_and(|until| *until > now);
        if known {
            return true;
        }
        let _slot = self.slots.acquire().await;
        let (stored, given) = (hash.unwrap_or(&NOBODY).to_owned(), password.to_owned());
        let check = move || Argon2::default().verify_password(given.as_bytes(), stored.as_str()).is_ok();
        let right = tokio::task::spawn_blocking(check).await.unwrap_or(false) && hash.is_some();
        if right {
            let mut verified = self.verified.lock().expect("no panic under it");
            if verified.len() >= VERIFIED_MAX {
                verified.retain(|_, until| *until > now);
            }
            if verified.len() < VERIFIED_MAX {
                verified.insert(pair, now.plus_ms(VERIFIED_MS));
            }
        }
        right
    }

    /// How long the next attempt under these names waits.
    pub(super) fn wait(&self, names: &[String], now: Timestamp) -> Duration {
        let failures = self.failures.lock().expect("no panic under it");
        let most = names
            .iter()
            .filter_map(|name| failures.get(name))
            .filter(|failed| failed.last.plus_ms(FORGET_MS) > now)
            .map(|failed| failed.count)
            .max()
            .unwrap_or(0);
        if most == 0 {
            return Duration::ZERO;
        }
        let wait = FIRST_WAIT_MS.saturating_mul(1 << (most - 1).min(10));
        Duration::from_millis(wait.min(LONGEST_WAIT_MS))
    }

    pub(super) fn failed(&self, names: &[String], now: Timestamp) {
        let mut failures = self.failures.lock().expect("no panic under it");
        if failures.len() >= FAILURES_KEPT_MAX {
            failures.retain(|_, failed| failed.last.plus_ms(FORGET_MS) > now);
        }
        for name in names {
            if failures.len() >= FAILURES_KEPT_MAX && !failures.contains_key(name) {
                continue;
            }
            let known = failures.entry(name.clone()).or_insert(Failures { count: 0, last: now });
            known.count = known.count.saturating_add(1);
            known.last = now;
        }
    }

    /// Only the user's: an address that knows one password is not trusted with others.
    pub(super) fn succeeded(&self, user: &str) {
        self.failures.lock().expect("no panic under it").remove(user);
    }
}

pub(super) async fn hash(password: String) -> String {
    tokio::task::spawn_blocking(move || hash_now(&password)).await.expect("hashing does not panic")
}

fn hash_now(password: &str) -> String {
    Argon2::default().hash_password(password.as_bytes()).expect("the system gives random bytes").to_string()
}

fn pair(hash: &str, password: &str) -> [u8; 32] {
    let mut bytes = hash.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(password.as_bytes());
    digest(&SHA256, &bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// A secret for a client: 256 random bits in hexadecimal.
pub(super) fn random_token() -> String {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    HEXLOWER.encode(&bytes)
}

/// What is kept of a token.
pub(super) fn digest_of(token: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, token.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::default();
        let hash = hash("secret".to_owned()).await;
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let now = Timestamp(0);
        assert!(passwords.verify(Some(&hash), "secret", now).await);
        assert!(!passwords.verify(Some(&hash), "Secret", now).await);
        assert!(!passwords.verify(None, "nobody's", now).await, "an unknown user has no password");
    }

    #[tokio::test]
    async fn a_verified_pair_is_trusted_for_a_minute() {
        let passwords = Passwords::default();
        let hash = hash("secret".to_owned()).await;
        assert!(passwords.verify(Some(&hash), "secret", Timestamp(0)).await);
        let kept = *passwords.verified.lock().expect("free").values().next().expect("kept");
        assert_eq!(kept, Timestamp(60_000));
    }

    #[test]
    fn each_failure_doubles_the_wait() {
        let passwords = Passwords::default();
        let names = ["ada".to_owned(), "@192.0.2.1".to_owned()];
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(passwords.wait(&names, Timestamp(0)).as_millis());
            passwords.failed(&names, Timestamp(0));
        }
        assert_eq!(waits, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000]);
        assert_eq!(passwords.wait(&names, Timestamp(FORGET_MS)), Duration::ZERO);
        passwords.succeeded("ada");
        assert!(passwords.wait(&names, Timestamp(0)) > Duration::ZERO, "the address is not forgiven");
        assert_eq!(passwords.wait(&names[..1], Timestamp(0)), Duration::ZERO);
    }
}
