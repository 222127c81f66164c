//! `zhoubao nats-config`: the configuration of the hall's nats-server, from the register.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;
use zhoubao_application::desk::facts;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};
use zhoubao_domain::registry::Registry;
use zhoubao_nats::config::{ACCOUNTS_FILE, Accounts, Server, Service, UserKey, public_key, seed};

use crate::cli::NatsConfigArgs;
use crate::config::redact;
use crate::failure::{Exit, Failure};
use crate::files::{replace, write_secret};
use crate::wiring::Context;

/// The file with the server's settings.
const SERVER_FILE: &str = "nats-server.conf";

/// The folder of the services' seeds.
const KEYS: &str = "keys";

/// The server may run as another user, and there are public keys only.
const PUBLIC: u32 = 0o644;

/// Runs the command.
///
/// # Errors
///
/// E.221 for a key in the register that the server would not take; a file that cannot be read or written.
pub async fn run(ctx: &Context, args: NatsConfigArgs) -> Result<(), Failure> {
    let hall = ctx.hall()?;
    let registry = register(ctx, &hall).await?;
    // Before anything is written: a wrong entry changes nothing.
    let Terminals { with_key, without_key } = terminals(&registry)?;
    let out = &args.out;
    std::fs::create_dir_all(out).map_err(|error| Failure::file(out, &error))?;
    let services = services(ctx, &out.join(KEYS))?;
    let accounts = Accounts { hall, terminals: with_key, services };
    replace(&out.join(ACCOUNTS_FILE), accounts.to_string().as_bytes(), PUBLIC)?;
    let path = out.join(SERVER_FILE);
    let is_new = !path.exists();
    if is_new {
        let store_dir = args.store_dir.display().to_string();
        let server = Server { listen: args.listen, name: args.server_name, store_dir };
        replace(&path, server.to_string().as_bytes(), PUBLIC)?;
    }
    let terminals: Vec<_> = accounts.terminals.iter().map(|(it, _)| it.as_str()).collect();
    let without_key: Vec<_> = without_key.iter().map(TerminalId::as_str).collect();
    if ctx.output.is_json() {
        let services: serde_json::Map<_, _> = accounts
            .services
            .iter()
            .map(|(it, key)| (it.name().to_owned(), json!(key.to_string())))
            .collect();
        ctx.output.value(&json!({
            "out": out, "terminals": terminals, "without_key": without_key, "services": services,
            "server_file": if is_new { "written" } else { "kept" },
        }));
        return Ok(());
    }
    let state = if is_new { "已写入 written" } else { "保留原文件 kept as it is" };
    ctx.output.line(format!("{}  {state}", path.display()));
    ctx.output.line(format!("{}  已写入 written", out.join(ACCOUNTS_FILE).display()));
    for (service, _) in &accounts.services {
        let path = seed_path(&out.join(KEYS), *service);
        ctx.output.line(format!("  {}  {}", service.name(), path.display()));
    }
    ctx.output.line(format!("  终端 terminals  {}  {}", terminals.len(), terminals.join(" ")));
    if !without_key.is_empty() {
        let names = without_key.join(" ");
        ctx.output.note(format!("无密钥，不能连接 no key yet, so they cannot connect: {names}"));
    }
    ctx.output.note(format!(
        "检查 check: nats-server --config {} -t · 生效 put in force: nats-server --signal reload",
        path.display()
    ));
    Ok(())
}

/// The register: of the journal, or as the read models have it where the broker does not answer. It may be this very
/// file that it waits for.
async fn register(ctx: &Context, hall: &HallCode) -> Result<Registry, Failure> {
    if !ctx.knows_a_journal(hall).await? {
        ctx.output.note("尚无登记，只写服务 nothing is recorded yet, so there are services only");
        return Ok(Registry::default());
    }
    match ctx.desk_to_read().await {
        Ok(desk) => return Ok(desk.known().await?.registry),
        Err(failure) if failure.exit == Exit::Unavailable => ctx.output.note(format!(
            "日志不可用，用已有读模型 the register is that of the read models, which may be older: {}",
            redact(&failure.message)
        )),
        Err(failure) => return Err(failure),
    }
    Ok(facts(&*ctx.open_store().await?, hall).await?.registry)
}

/// Terminals in service.
#[derive(Default)]
struct Terminals {
    with_key: Vec<(TerminalId, UserKey)>,
    without_key: Vec<TerminalId>,
}

/// The terminals in service; one whose key is revoked has none that counts.
fn terminals(registry: &Registry) -> Result<Terminals, Failure> {
    let wrong = |terminal: &TerminalId, why: String| {
        let message = format!("终端 terminal {terminal}: {why}");
        Failure::coded(Code::Setup, message).with_next(format!(
            "enter the device's keys anew: zhoubao terminal enroll {terminal}; `zhoubao setup show key {terminal}` shows what is recorded"
        ))
    };
    let mut in_service: Vec<_> =
        registry.terminals.iter().filter(|(_, it)| it.active).map(|(id, _)| id).collect();
    in_service.sort();
    let mut terminals = Terminals::default();
    let mut owners: HashMap<UserKey, &TerminalId> = HashMap::new();
    for id in in_service {
        let Some(keys) = registry.keys.get(id) else {
            terminals.without_key.push(id.clone());
            continue;
        };
        if keys.latest.revoked {
            continue;
        }
        let key: UserKey = keys
            .latest
            .nats
            .parse()
            .map_err(|it| wrong(id, format!("`{}`: {it}", keys.latest.nats)))?;
        if let Some(other) = owners.insert(key.clone(), id) {
            return Err(wrong(id, format!("与 {other} 同一密钥 has the same key as {other}")));
        }
        terminals.with_key.push((id.clone(), key));
    }
    Ok(terminals)
}

fn seed_path(keys: &Path, service: Service) -> std::path::PathBuf {
    keys.join(format!("{}.nk", service.name()))
}

/// The services with their keys, which are made where there are none.
fn services(ctx: &Context, keys: &Path) -> Result<Vec<(Service, UserKey)>, Failure> {
    match DirBuilder::new().mode(0o700).create(keys) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(Failure::file(keys, &error));
        }
        _ => {}
    }
    let mut services = Vec::new();
    for service in Service::ALL {
        let path = seed_path(keys, service);
        let wrong = |error: &dyn std::error::Error| {
            Failure::configuration(format!("`{}`: {error}", path.display())).with_next(
                "put the right file back, or remove it: a new key is made, and the service needs it",
            )
        };
        let seed = match std::fs::read_to_string(&path) {
            Ok(seed) => {
                let mode = std::fs::metadata(&path).map(|it| it.permissions().mode() & 0o777);
                if mode.is_ok_and(|it| it & 0o077 != 0) {
                    ctx.output
                        .note(format!("可被他人读取 open to others: chmod 600 {}", path.display()));
                }
                seed
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let seed = seed(Context::secret()?).map_err(|it| wrong(&it))?;
                write_secret(&path, &seed)?;
                seed
            }
            Err(error) => return Err(Failure::file(&path, &error)),
        };
        services.push((service, public_key(&seed).map_err(|it| wrong(&it))?));
    }
    Ok(services)
}
