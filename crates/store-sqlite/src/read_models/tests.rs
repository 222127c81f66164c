//! What needs a look inside: a full disk, a held lock, the plans of statements.
