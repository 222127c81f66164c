//! Documents on pages, with the fonts that `cargo xtask setup fonts` finds or installs.

#[cfg(test)]
mod sample;

#[cfg(test)]
mod page;

#[cfg(test)]
mod glyphs;

#[cfg(test)]
mod pdf;

#[cfg(test)]
mod ofd;
