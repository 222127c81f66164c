//! What is worth knowing of requests (审计): who was refused for lack of a right, and who took which file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use zhoubao_application::journal::AppendError;
use zhoubao_application::writer::{Unnumbered, WriteError, Writer};
use zhoubao_domain::event::{Event, Outcome};
use zhoubao_domain::id::{Stream, UserId};

use crate::Gateway;

/// For a person and a route there is one event in this time at most.
const EACH: SignedDuration = SignedDuration::from_mins(1);

/// Tries to append while others do.
const TRIES_MAX: usize = 8;

/// What was noted in the last minute.
#[derive(Debug, Default)]
pub struct Noted {
    lately: Mutex<HashMap<(UserId, String, Outcome), Timestamp>>,
    /// One is written at a time: at the end of one line they would be in each other's way.
    writing: tokio::sync::Mutex<()>,
}

impl Noted {
    /// Whether this is the first within a minute.
    fn is_first(&self, user: &UserId, route: &str, outcome: Outcome, now: Timestamp) -> bool {
        let mut noted = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, at| now.duration_since(*at) < EACH);
        let key = (user.clone(), route.to_owned(), outcome);
        if noted.contains_key(&key) {
            return false;
        }
        noted.insert(key, now);
        true
    }
}

impl Gateway {
    /// Records a request; nobody waits for it.
    pub(crate) fn note(self: &Arc<Self>, user: &UserId, route: String, outcome: Outcome) {
        let now = self.clock.now();
        if !self.noted.is_first(user, &route, outcome, now) {
            return;
        }
        let event = Unnumbered {
            stream: Stream::Audit,
            occurred_at: now,
            entered_at: None,
            actor: Some(user.clone()),
            command: None,
            event: Event::RequestNoted { route, outcome },
        };
        let mut writer = Writer::new(self.desk.journal().clone(), self.desk.hall().clone());
        let gateway = self.clone();
        tokio::spawn(async move {
            let _one_at_a_time = gateway.noted.writing.lock().await;
            let mut tries = 0;
            loop {
                match writer.write(vec![event.clone()]).await {
                    Ok(_) => return,
                    Err(WriteError::Append(AppendError::Conflict)) if tries < TRIES_MAX => {
                        tries += 1;
                    }
                    Err(error) => {
                        let (user, event) = (&event.actor, &event.event);
                        tracing::error!(error = %error, ?user, ?event, "not in the audit line");
                        return;
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_and_a_route_are_noted_once_a_minute() {
        let noted = Noted::default();
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        let (one, other) = ("u1".parse().unwrap(), "u2".parse().unwrap());
        let is_first =
            |user, route, seconds| noted.is_first(user, route, Outcome::Refused, at(seconds));
        assert!(is_first(&one, "GET /desk", 0));
        assert!(!is_first(&one, "GET /desk", 59));
        assert!(is_first(&other, "GET /desk", 59));
        assert!(is_first(&one, "POST /desk", 59));
        assert!(noted.is_first(&one, "GET /desk", Outcome::Downloaded, at(59)));
        assert!(is_first(&one, "GET /desk", 60));
    }
}
