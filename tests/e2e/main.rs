//! The program as its users meet it: real processes, real servers, killed at random.
//!
//! Every process and every wait has a deadline. Start with `hall`, which runs the program; each other module is one
//! subject.

mod admin;
mod archive;
mod attachments;
mod bench;
mod board;
mod broker_down;
mod bulletins;
mod checks;
mod composing;
mod copies;
mod demo;
mod desk;
mod doctor;
mod faults;
mod flood;
mod forms;
mod hall;
mod huge;
mod keys;
mod kills;
mod nats;
mod pages;
mod readers;
mod recount;
mod refusals;
mod repeats;
mod rules;
mod signing;
#[path = "../slipped.rs"]
mod slipped;
mod terminal;
mod terminal_clock;
mod terminal_http;
mod terminal_unmeasured;
mod total_loss;
mod training;
mod verify;
mod way;
mod web;
