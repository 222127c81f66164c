//! `zhoubao explain`: the catalogue of stable codes.

use serde_json::{Value, json};
use zhoubao_domain::code::{Code, Weight};

use crate::cli::ExplainArgs;
use crate::config::nearest_of;
use crate::failure::Failure;
use crate::output::Table;
use crate::wiring::Context;

/// Explains one code, or lists all.
///
/// # Errors
///
/// Usage, with the nearest code, for a text that is none.
pub async fn run(ctx: &Context, args: ExplainArgs) -> Result<(), Failure> {
    let Some(text) = args.code else {
        if ctx.output.is_json() {
            ctx.output.value(&Code::ALL.iter().copied().map(to_json).collect::<Value>());
        } else {
            let mut table = Table::new(["代码 code", "说明 what it is"]);
            for code in Code::ALL {
                table.row([code.text(), code.title()]);
            }
            ctx.output.table(&table);
        }
        return Ok(());
    };
    let code = Code::from_text(&text.to_uppercase()).ok_or_else(|| unknown(&text))?;
    if ctx.output.is_json() {
        ctx.output.value(&to_json(code));
        return Ok(());
    }
    ctx.output.line(format!("{code}  {}", code.title()));
    ctx.output.line(format!("  原因 cause    {}", code.cause()));
    ctx.output.line(format!("  处理 fix      {}", code.fix()));
    ctx.output.line(format!("  例 example    {}", code.example()));
    Ok(())
}

fn unknown(text: &str) -> Failure {
    let codes = Code::ALL.iter().copied().map(Code::text);
    let failure = Failure::usage(format!("`{text}` is no code"));
    // A code is a letter and digits.
    let digits = text.to_uppercase().replace('O', "0").replace(['I', 'L'], "1");
    match nearest_of(&digits, codes) {
        Some(nearest) => failure.with_next(format!("did you mean `zhoubao explain {nearest}`?")),
        None => failure.with_next("`zhoubao explain` lists every code"),
    }
}

fn to_json(code: Code) -> Value {
    json!({
        "code": code.text(),
        "weight": match code.weight() { Weight::Error => "error", Weight::Warning => "warning" },
        "title": code.title(),
        "cause": code.cause(),
        "fix": code.fix(),
        "example": code.example(),
    })
}
