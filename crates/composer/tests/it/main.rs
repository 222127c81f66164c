//! Issues composed from material by the repository's own template.

#[cfg(test)]
mod sample;

#[cfg(test)]
mod issue;

#[cfg(test)]
mod claims;

#[cfg(test)]
mod checks;

#[cfg(test)]
mod templates;

#[cfg(test)]
mod exports;

#[cfg(test)]
mod bulletins;

#[cfg(test)]
mod docx;

#[cfg(test)]
mod language;
