use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;

/// First port to hand out.
///
/// The range lies below the ephemeral ports of Linux (32768 to 60999): while a server is down, no outgoing connection
/// may be given its port, or it could not come back on it.
const FIRST: u16 = 20_000;

/// How many ports there are to choose from.
const COUNT: u16 = 12_000;

/// Ports tried before giving up.
const TRIES: usize = 100;

/// Finds a port on the loopback address on which nobody listens at this moment.
///
/// Another process may take it before its server does, so whoever starts a server tries again with another port.
pub(crate) fn free() -> anyhow::Result<u16> {
    for attempt in 0..TRIES {
        // Every `RandomState` has other keys, which is all the randomness that is needed here.
        let random = RandomState::new().hash_one(attempt);
        let port = FIRST + u16::try_from(random % u64::from(COUNT))?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}
