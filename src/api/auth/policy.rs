//! What a password must be: long, and not made of what everybody knows of its user (OWASP ASVS 5.0, 6.2). No rules about
//! kinds of characters: they make passwords worse.

use crate::store::queries::account::Profile;

/// ASVS 5.0, 6.2.1.
pub(crate) const PASSWORD_CHARACTERS_MIN: usize = 8;

/// Rule, its parameter, whether the password keeps it. The first two are the dialect's words.
pub(crate) struct Kept {
    pub(crate) placeholder: &'static str,
    pub(crate) parameter: Option<(&'static str, String)>,
    pub(crate) kept: bool,
}

pub(crate) fn check(password: &str, user: Option<&str>, profile: &Profile) -> [Kept; 2] {
    let lower = password.to_lowercase();
    let parts = [user, profile.first_name.as_deref(), profile.last_name.as_deref(), profile.email.as_deref()];
    // Words shorter than this stand in many good passwords by chance.
    let known = |word: &str| word.chars().count() >= 3 && lower.contains(&word.to_lowercase());
    [
        Kept {
            placeholder: "PASSWORD_POLICY_LENGTH",
            parameter: Some(("minLength", PASSWORD_CHARACTERS_MIN.to_string())),
            kept: password.chars().count() >= PASSWORD_CHARACTERS_MIN,
        },
        Kept {
            placeholder: "PASSWORD_POLICY_USER_DATA",
            parameter: None,
            kept: !parts.into_iter().flatten().any(known),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(password: &str) -> [bool; 2] {
        let profile = Profile { first_name: Some("Ada".to_owned()), ..Profile::default() };
        check(password, Some("lovelace"), &profile).map(|rule| rule.kept)
    }

    #[test]
    fn a_password_is_long_and_does_not_hold_its_user() {
        assert_eq!(kept("1234567"), [false, true]);
        assert_eq!(kept("12345678"), [true, true]);
        assert_eq!(kept("äöüßäöüß"), [true, true], "characters, not bytes");
        assert_eq!(kept("Lovelace1"), [true, false]);
        assert_eq!(kept("for adamant"), [true, false]);
    }
}
