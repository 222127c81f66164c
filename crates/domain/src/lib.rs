//! The rules of a service hall and its weekly issue.
