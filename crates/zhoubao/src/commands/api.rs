//! `zhoubao api`: what the product is for other programs.

use zhoubao_gateway::{asyncapi, openapi};

use crate::cli::{Api, ApiArgs};
use crate::failure::Failure;
use crate::wiring::Context;

/// Prints a description as JSON.
///
/// # Errors
///
/// None that can happen: a description that is no JSON.
pub fn run(ctx: &Context, args: &ApiArgs) -> Result<(), Failure> {
    let document = match args.what {
        Api::Openapi => openapi::document(),
        Api::Asyncapi => asyncapi::document()
            .map_err(|error| Failure::integrity(format!("asyncapi: {error}")))?,
    };
    ctx.output.line(format!("{document:#}"));
    Ok(())
}
