//! Who is at the device: one clerk at a time, by a token that only he has, and how soon a PIN may be tried again.
//!
//! Without clock and randomness: time is what the machine has run, sleep included, which nobody can set back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use zhoubao_domain::id::UserId;

/// Longest time without recording anything, after which the clerk must log in again.
pub const IDLE_MAX: Duration = Duration::from_secs(30 * 60);

/// Longest time of a login: one working day.
pub const SESSION_MAX: Duration = Duration::from_secs(10 * 60 * 60);

/// Pause after the first wrong PIN; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longest pause: at four tries an hour the million PINs of six digits last for decades.
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// A moment, as time since the machine was switched on.
pub type Moment = Duration;

#[derive(Debug)]
struct Session {
    clerk: UserId,
    /// The token itself is kept nowhere.
    token_hash: [u8; 32],
    /// With another PIN, or none, the login ends.
    pin_hash: String,
    since: Moment,
    used: Moment,
}

#[derive(Debug, Clone, Copy, Default)]
struct Misses {
    count: u32,
    until: Moment,
}

/// The door of a device.
#[derive(Debug, Default)]
pub struct Door {
    session: Option<Session>,
    misses: BTreeMap<UserId, Misses>,
    /// Whoever is no clerk of this device.
    strangers: Misses,
}

impl Door {
    fn misses(&mut self, clerk: Option<&UserId>) -> &mut Misses {
        match clerk {
            Some(clerk) => self.misses.entry(clerk.clone()).or_default(),
            // One for all, so that nobody can fill the memory with names.
            None => &mut self.strangers,
        }
    }

    /// How long a clerk must wait before he may try a PIN, if he must; `None` for whoever is none of the device's.
    pub fn pause(&mut self, clerk: Option<&UserId>, now: Moment) -> Option<Duration> {
        let left = self.misses(clerk).until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes a wrong PIN, and answers with the pause until the next try.
    pub fn miss(&mut self, clerk: Option<&UserId>, now: Moment) -> Duration {
        let misses = self.misses(clerk);
        let doubled = 2_u32.checked_pow(misses.count).and_then(|it| PAUSE_FIRST.checked_mul(it));
        let pause = doubled.unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
        misses.count = misses.count.saturating_add(1);
        misses.until = now.saturating_add(pause);
        pause
    }

    /// Lets a clerk in whose PIN was right, and whoever was in before out; answers with the token.
    pub fn open(
        &mut self,
        clerk: UserId,
        pin_hash: String,
        secret: &[u8; 32],
        now: Moment,
    ) -> String {
        self.misses.remove(&clerk);
        let mut token = String::with_capacity(64);
        for byte in secret {
            let _infallible = write!(token, "{byte:02x}");
        }
        let token_hash = Sha256::digest(token.as_bytes()).into();
        self.session = Some(Session { clerk, token_hash, pin_hash, since: now, used: now });
        token
    }

    /// The clerk of a token, if he is still in. `pin_hash` says what hash a clerk has now.
    ///
    /// Only what a person does keeps the login alive (`active`), not a page that looks again and again.
    pub fn pass(
        &mut self,
        token: &str,
        pin_hash: impl FnOnce(&UserId) -> Option<String>,
        active: bool,
        now: Moment,
    ) -> Option<UserId> {
        let session = self.session.as_mut()?;
        // Hashes are compared, so how long it takes tells nothing of the token.
        if session.token_hash != <[u8; 32]>::from(Sha256::digest(token.as_bytes())) {
            return None;
        }
        let expired = now.saturating_sub(session.since) >= SESSION_MAX
            || now.saturating_sub(session.used) >= IDLE_MAX;
        if expired || pin_hash(&session.clerk).as_ref() != Some(&session.pin_hash) {
            self.session = None;
            return None;
        }
        if active {
            session.used = now;
        }
        Some(session.clerk.clone())
    }

    /// The clerk goes.
    pub fn close(&mut self) {
        self.session = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn clerk(id: &str) -> UserId {
        id.parse().unwrap()
    }

    fn enter(door: &mut Door, id: &str, secret: u8, now: Moment) -> String {
        door.open(clerk(id), "hash".to_owned(), &[secret; 32], now)
    }

    fn pass(door: &mut Door, token: &str, active: bool, now: Moment) -> Option<String> {
        let pin_hash = |_: &UserId| Some("hash".to_owned());
        door.pass(token, pin_hash, active, now).map(|it| it.to_string())
    }

    #[test]
    fn whoever_does_nothing_for_half_an_hour_is_out_and_everybody_after_ten_hours() {
        let mut door = Door::default();
        let token = enter(&mut door, "u100", 1, MINUTE);
        assert_eq!(token.len(), 64);
        // A page that looks again and again does nothing.
        assert!(pass(&mut door, &token, false, 30 * MINUTE).is_some());
        assert!(pass(&mut door, &token, true, 31 * MINUTE).is_none());
        assert!(pass(&mut door, &token, true, 2 * MINUTE).is_none(), "out is out");

        let token = enter(&mut door, "u100", 2, Duration::ZERO);
        let mut now = Duration::ZERO;
        while now + 29 * MINUTE < SESSION_MAX {
            now += 29 * MINUTE;
            assert!(pass(&mut door, &token, true, now).is_some());
        }
        assert!(pass(&mut door, &token, true, SESSION_MAX).is_none());
    }

    #[test]
    fn the_next_clerk_ends_the_login_of_the_one_before() {
        let mut door = Door::default();
        let first = enter(&mut door, "u100", 1, MINUTE);
        let second = enter(&mut door, "u200", 2, MINUTE);
        assert_eq!(pass(&mut door, &first, true, MINUTE), None);
        assert_eq!(pass(&mut door, &second, true, MINUTE).as_deref(), Some("u200"));
        assert_eq!(pass(&mut door, "", true, MINUTE), None);
        door.close();
        assert_eq!(pass(&mut door, &second, true, MINUTE), None);
    }

    #[test]
    fn a_clerk_who_is_removed_or_has_another_pin_is_out() {
        for now_his in [None, Some("other".to_owned())] {
            let mut door = Door::default();
            let token = enter(&mut door, "u100", 1, MINUTE);
            assert!(door.pass(&token, |_| now_his, true, MINUTE).is_none());
            assert_eq!(pass(&mut door, &token, true, MINUTE), None);
        }
    }

    #[test]
    fn each_wrong_pin_doubles_the_pause_of_that_clerk_only() {
        let mut door = Door::default();
        let (one, other) = (clerk("u100"), clerk("u200"));
        let mut now = MINUTE;
        let pauses: Vec<u64> = (0..12)
            .map(|_| {
                assert_eq!(door.pause(Some(&one), now), None);
                let pause = door.miss(Some(&one), now);
                assert_eq!(door.pause(Some(&one), now), Some(pause));
                assert_eq!(door.pause(Some(&other), now), None);
                now += pause;
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        door.miss(None, now);
        assert!(door.pause(None, now).is_some(), "strangers wait, too");
        enter(&mut door, "u100", 1, now);
        assert_eq!(door.miss(Some(&one), now), PAUSE_FIRST, "the right PIN forgets the wrong ones");
        for _ in 0..100 {
            door.miss(Some(&one), now);
        }
        assert_eq!(door.pause(Some(&one), now), Some(PAUSE_MAX));
    }
}
