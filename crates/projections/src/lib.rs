//! Read-model rules: what each event does to each table.
