//! One-time codes (动态码, RFC 6238), which a device of the person makes: what a sign-off takes beside his password.
//!
//! ```text
//!  begin ──► secret, shown once ──► the device ──► confirm (a first code) ──► asked for at every sign-off
//! ```
//!
//! A code is taken once: the step that it is of is kept with the account, so that neither a restart nor another program
//! on the same accounts takes it again.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::id::{HallCode, UserId};

/// Bytes of a secret: as many as HMAC-SHA-1 has (RFC 4226 §4).
const SECRET_BYTES: usize = 20;

/// From whom a code is asked for at a sign-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codes {
    /// From nobody.
    Off,
    /// From whoever has set up a device.
    #[default]
    Enrolled,
    /// From everybody: who has not set up a device signs nothing.
    Required,
}

impl FromStr for Codes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "enrolled" => Ok(Self::Enrolled),
            "required" => Ok(Self::Required),
            other => Err(format!("`{other}`, expected `off`, `enrolled` or `required`")),
        }
    }
}

/// What is kept of a person's device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    /// In base 32.
    secret: String,
    /// The step of the last code that was taken; none before the first, which shows that the device has the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    /// What that code was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
}

impl Device {
    /// One that has not made a code yet.
    pub(crate) fn new(random: &[u8; 32]) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        bytes.copy_from_slice(&random[..SECRET_BYTES]);
        let secret = Secret::new(Box::from(bytes)).to_base32();
        Self { secret, used: None, purpose: None }
    }

    /// Whether it has made a code.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.used.is_some()
    }

    fn totp(&self, label: Option<(&HallCode, &UserId)>) -> Option<Totp> {
        let secret = Secret::try_from_base32(&self.secret).ok()?;
        let builder = Builder::new().with_secret(secret);
        let builder = match label {
            Some((hall, user)) => builder
                .with_issuer(Some(format!("zhoubao {hall}")))
                .with_account_name(user.to_string()),
            None => builder,
        };
        builder.build().ok()
    }

    /// Secret and address by which the device is given it.
    pub(crate) fn handed_over(&self, hall: &HallCode, user: &UserId) -> Option<Handover> {
        let address = self.totp(Some((hall, user)))?.to_url().ok()?;
        Some(Handover { secret: self.secret.clone(), address })
    }

    /// Takes a code. The same code is taken again for the same purpose only: a command that is sent again because its
    /// answer was lost.
    pub(crate) fn take(&mut self, code: &str, purpose: Option<&str>, now: Timestamp) -> bool {
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        let code: String = code.chars().filter(|it| !it.is_whitespace()).collect();
        let Some(step) = self.totp(None).and_then(|it| it.check(&code, now)) else { return false };
        let again =
            self.used == Some(step) && purpose.is_some() && self.purpose.as_deref() == purpose;
        if again {
            return true;
        }
        if self.used.is_some_and(|used| step <= used) {
            return false;
        }
        self.used = Some(step);
        self.purpose = purpose.map(str::to_owned);
        true
    }
}

/// What a person's device needs, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// To be typed in.
    pub secret: String,
    /// `otpauth://…`, to be scanned.
    pub address: String,
}

/// A code was missing, wrong, or taken before.
pub(crate) fn refused() -> Refusal {
    Refusal::new(
        Code::WrongOneTimeCode,
        "动态码不对，或已用过 the one-time code is missing, wrong or used",
    )
}

/// There is no device, and one is required.
pub(crate) fn without_device(user: &UserId) -> Refusal {
    Refusal::new(
        Code::NoDevice,
        format!("{user} 尚未绑定动态码 has set up no device for one-time codes"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    /// The secret of RFC 6238, appendix B.
    fn of_the_rfc() -> Device {
        let mut random = [0; 32];
        random[..20].copy_from_slice(b"12345678901234567890");
        Device::new(&random)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // Its eight digits end with the six that are used.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert!(of_the_rfc().take(code, None, at(seconds)), "{seconds}");
            assert!(!of_the_rfc().take("123456", None, at(seconds)), "{seconds}");
        }
        assert!(of_the_rfc().take(" 287 082 ", None, at(59)));
    }

    #[test]
    fn a_code_is_taken_half_a_minute_early_or_late_and_no_more() {
        // The code of the step from 1111111080 on, by a device whose clock differs by a step at most.
        for (after, taken) in
            [(-31, false), (-30, true), (0, true), (29, true), (59, true), (60, false)]
        {
            let now = at(1_111_111_080 + after);
            assert_eq!(of_the_rfc().take("081804", None, now), taken, "{after}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_none_before_it_any_more() {
        let mut device = of_the_rfc();
        assert!(!device.is_confirmed());
        assert!(device.take("287082", Some("sign-1 2023-05"), at(59)));
        assert!(device.is_confirmed());
        assert!(!device.take("287082", None, at(59)));
        assert!(!device.take("287082", Some("sign-2 2023-05"), at(61)));
        assert!(device.take("287082", Some("sign-1 2023-05"), at(61)), "the same command again");
        // The code of the step before is as good a code, but an older one.
        assert!(!device.take("755224", None, at(59)), "HOTP of RFC 4226, counter 0");
        assert!(of_the_rfc().take("755224", None, at(29)));
    }

    #[test]
    fn a_device_is_told_whose_it_is() {
        let (hall, user) = ("510000".parse().unwrap(), "u100".parse().unwrap());
        let handover = of_the_rfc().handed_over(&hall, &user).unwrap();
        assert_eq!(handover.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(
            handover.address.starts_with("otpauth://totp/zhoubao%20510000:u100?"),
            "{handover:?}"
        );
        assert!(
            handover.address.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
            "{handover:?}"
        );
    }
}
