//! The command line: every subcommand with its flags, and examples in its help.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use zhoubao_domain::id::{
    CaseId, DepartmentId, EventRef, HallCode, MatterId, ObjectId, PublicKey, TerminalId, UserId,
};

/// 政务服务大厅的记录与周报 the record-keeping backend of a government service hall.
#[derive(Debug, Parser)]
#[command(
    name = "zhoubao",
    version,
    about = "周报：政务服务大厅的事件记录与每周一期 the record of a service hall, and its weekly issue",
    after_help = "例 examples:\n  zhoubao demo\n  zhoubao setup apply setup/ --hall 510000\n  zhoubao serve\n  zhoubao explain E.103\n\n\
        退出码 exit codes: 0 ok · 2 usage · 3 integrity broken · 4 refused by a rule · 5 trust · 6 server or disk · 78 configuration",
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = true
)]
pub struct Cli {
    /// Flags of every subcommand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every subcommand; each may stand in `zhoubao.toml` or in `ZHOUBAO_…`, too.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "通用 Everywhere")]
pub struct Global {
    /// 数据目录 the data folder [default: ./zhoubao-data] [env: ZHOUBAO_DIR]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// 日志 the journal: `sqlite`, `nats`, or `nats://host:4222` [default: sqlite]
    #[arg(long, global = true, value_name = "JOURNAL")]
    pub journal: Option<String>,
    /// 读模型 the read models: `sqlite`, or `postgres://user@host/database` [default: sqlite]
    #[arg(long, global = true, value_name = "STORE")]
    pub store: Option<String>,
    /// 大厅代码 code of the hall, six digits (9…: a training hall); an existing folder knows its own
    #[arg(long, global = true, value_name = "CODE")]
    pub hall: Option<HallCode>,
    /// 配置文件 settings [default: zhoubao.toml in the data folder] [env: ZHOUBAO_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// 以 JSON 输出 results and errors as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// 不显示过程 no notes and no progress
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Address of a `$SYS` user of the broker, to check that it writes before it answers
    #[arg(long, global = true, value_name = "URL")]
    pub sys_url: Option<String>,
    /// 我接受断电会丢失已确认的事件 I accept that a power cut loses events that were already acknowledged: use a server
    /// that does not write before it answers, or of which that is not known
    #[arg(long, global = true, visible_alias = "i-accept-loss")]
    pub accept_loss: bool,
}

impl Global {
    /// The flags that were given, by key of the setting.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<&'static str, String> {
        let dir = self.dir.as_ref().map(|it| it.to_string_lossy().into_owned());
        [
            ("dir", dir),
            ("journal", self.journal.clone()),
            ("store", self.store.clone()),
            ("hall", self.hall.as_ref().map(ToString::to_string)),
            ("sys_url", self.sys_url.clone()),
            ("accept_loss", self.accept_loss.then(|| "true".to_owned())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 演示 plays five weeks of a hall and prints the fifth issue of 2023
    #[command(
        after_help = "例 examples:\n  zhoubao demo --once\n  zhoubao demo --journal nats --once      the same over a nats-server of its own\n  \
        zhoubao demo --once --json | jq .figures"
    )]
    Demo(DemoArgs),
    /// 运行全部角色 runs every role in this process until it is stopped
    #[command(after_help = "例 examples:\n  zhoubao serve --hall 510000\n  \
        zhoubao serve --journal nats://127.0.0.1:4222 --store postgres://zhoubao@db/zhoubao")]
    Serve(ServeArgs),
    /// 页面账户 passwords of the people at the pages
    #[command(after_help = "例 example:\n  zhoubao account link u100")]
    Account(AccountArgs),
    /// 投影 folds the journal into the read models
    #[command(
        after_help = "例 examples:\n  zhoubao project --once          up to the journal's end\n  \
        zhoubao project                 for ever; Ctrl-C or SIGTERM ends it between two transactions"
    )]
    Project(ProjectArgs),
    /// 设置大厅 the hall's set-up: windows, terminals, departments, people, calendars, templates
    #[command(
        after_help = "例 examples:\n  zhoubao setup apply hall.toml data/setup data/calendars data/templates\n  \
        zhoubao setup put calendar 2027 2027.json --by u100\n  zhoubao setup list\n  zhoubao setup show calendar 2023"
    )]
    Setup(SetupArgs),
    /// 录入 records one event, or many from standard input
    #[command(after_help = "例 examples:\n  \
        zhoubao emit 咨询 --terminal w01 --people 3 --by u201\n  \
        zhoubao emit accept --terminal w01 --department d12 --matter m3 --case 2023-0001\n  \
        zhoubao emit close --terminal w01 --day 2023-02-06 --accepted 5\n  \
        zhoubao emit correct --terminal w01 --event terminal.w01#17 --people 4 --reason 输入有误\n  \
        zhoubao emit - < events.ndjson       one CloudEvent in JSON a line\n\n\
        不会计数的事件先提示，加 --anyway 照录 an event that would not count is shown first; --anyway records it")]
    Emit(Box<EmitArgs>),
    /// 窗口终端 the agent of a window's device: records on its own disk first, and sends by itself
    #[command(after_help = "例 examples:\n  \
        zhoubao terminal run w01 < events.ndjson --once      records, sends, ends\n  \
        zhoubao terminal run w01 --journal nats://hall:4222   takes events on standard input until it is stopped\n  \
        zhoubao terminal run w01 --listen 127.0.0.1:7800      the same over HTTP\n  \
        zhoubao terminal status w01\n  zhoubao terminal export w01 --after 4650\n\n\
        一行一个 CloudEvent，编号由本机给出 one CloudEvent in JSON a line, without a number: the ledger numbers")]
    Terminal(TerminalArgs),
    /// 编一期 composes an issue from what is recorded; without an issue, publishes what was signed off as it comes
    #[command(after_help = "例 examples:\n  \
        zhoubao compose                       the composer: publishes what is signed off, until it is stopped\n  \
        zhoubao compose --once                publishes what is signed off now\n  zhoubao compose 2023-05\n  \
        zhoubao compose 2023-05 --format pdf > 2023-05.pdf\n  \
        zhoubao compose 2023-w06 --format all --out issue/\n  \
        zhoubao compose 2023-05 --template data/templates/hotline.toml")]
    Compose(ComposeArgs),
    /// 导入 records a table of figures from outside, for the templates that ask for it
    #[command(after_help = "例 examples:\n  \
        zhoubao import places places.csv --source 四川一体化政务服务平台 --from 2023-02-01 --to 2023-02-28 --by u100\n  \
        zhoubao import calls calls.csv --source 热线平台 --from 2023-02-06 --to 2023-02-12 --by u100 --dry-run\n\n\
        同一时段再次导入，以后一次为准 of two imports for the same days the later one holds")]
    Import(ImportArgs),
    /// 稿件和巡查 news of departments with their attachments, and inspection rounds
    #[command(after_help = "例 examples:\n  zhoubao desk list\n  \
        zhoubao desk file --section window-service --department 市场监管局 --text news.txt --attach photo.jpg --by u301\n  \
        zhoubao desk inspect --day 2023-02-08 --results round.json --by u401")]
    Desk(DeskArgs),
    /// 期刊 the life of the hall's issues: open, freeze, submit, sign, publish
    #[command(
        after_help = "例 examples:\n  zhoubao issue list\n  zhoubao issue open 2023-w06 --by u100\n  \
        zhoubao issue sign 2023-w06 --by u200 --yes"
    )]
    Issue(IssueArgs),
    /// 统计 what counts, by any part and as of any position
    #[command(after_help = "例 examples:\n  zhoubao stats --week 2023-W06 --by window\n  \
        zhoubao stats --from 2023-01-01 --to 2023-02-10 --as-of 2023-02-10\n  zhoubao stats --as-of 48213 --by department")]
    Stats(StatsArgs),
    /// 溯源 lists the events behind a printed figure
    #[command(
        after_help = "例 examples:\n  zhoubao trace 2023-05                     the issue's figures and their names\n  \
        zhoubao trace '2023-05#受理.本周'\n  zhoubao trace '2023-05#受理.本周:window:w01'\n  \
        zhoubao trace '2023-05#accepted.year' --carried --bundle accepted.zip"
    )]
    Trace(TraceArgs),
    /// 核验 checks a figure's bundle or an issue's package offline
    #[command(
        after_help = "例 examples:\n  zhoubao verify accepted.zip\n  zhoubao verify 2023-05/ --key 3b6a27bc…\n  \
        zhoubao verify 2023-05/2023-05.pdf --trust keys.txt\n  zhoubao verify 2023-05.zip --with-journal\n\n\
        退出码 exit codes: 0 真实有效 genuine, or 此版已被更正 corrected since · 3 文件被改动 altered, with the place · 5 the seal is not to be trusted. See docs/verify.md"
    )]
    Verify(VerifyArgs),
    /// 审计 checks the whole journal against what it says of itself
    #[command(after_help = "例 example:\n  zhoubao audit verify")]
    Audit(AuditArgs),
    /// 印章 the office's key, which seals bundles and packages
    #[command(
        after_help = "例 examples:\n  zhoubao seal new --algorithm sm2\n  zhoubao seal show --json"
    )]
    Seal(SealArgs),
    /// 重建读模型 builds the read models anew from the journal and swaps them in
    #[command(
        after_help = "例 examples:\n  zhoubao rebuild --verify              compares every row with the live copy, then swaps\n  \
        zhoubao rebuild --verify --dry-run    compares only\n\n退出码 exit codes: 3 when --verify found a difference"
    )]
    Rebuild(RebuildArgs),
    /// 存档 keeps a hash-chained copy of every event of the journal on another disk
    #[command(
        after_help = "例 examples:\n  zhoubao archive --to /mnt/second/archive          until it is stopped\n  \
        zhoubao archive --to /mnt/second/archive --once   up to what the journal holds now\n\n\
        `zhoubao serve` does the same with the setting `archive = \"/mnt/second/archive\"`; see docs/archive.md"
    )]
    Archive(ArchiveArgs),
    /// 备份 writes one file with every event, to be carried away
    #[command(
        after_help = "例 examples:\n  zhoubao backup hall-2023-02-10.backup                                from the journal\n  \
        zhoubao backup --from /mnt/second/archive hall-2023-02-10.backup     from the archive, without a server"
    )]
    Backup(BackupArgs),
    /// 恢复 makes the journal again from an archive or a backup, where there is none
    #[command(after_help = "例 examples:\n  zhoubao restore /mnt/second/archive\n  \
        zhoubao restore hall-2023-02-10.backup --journal nats://hall:4222\n  \
        zhoubao restore /mnt/second/archive --files      only the files that were lost\n\n\
        The copy is checked before anything is written (E.708). What terminals hold beyond it they send again by themselves.")]
    Restore(RestoreArgs),
    /// 重建日志 makes a new journal where the old one is lost and no copy is left; the windows fill it again
    #[command(
        after_help = "例 example:\n  zhoubao recover --through 2023-02-10 --consulted 1130 --accepted 1040 --issued 921 \\\n    \
        --transferred 2060 --last-number 5 --last-running-number 425 --by u100 --yes\n\n\
        Figures and numbers are those of the last issue that was signed, as it was printed. --dry-run says what is lost."
    )]
    Recover(RecoverArgs),
    /// 演练 restores a copy in a temporary folder and compares what comes of it with the live hall
    #[command(after_help = "例 examples:\n  zhoubao drill\n  \
        zhoubao drill --from hall-2023-02-10.backup --json\n\n\
        退出码 exit codes: 0 the same · 3 the copy is damaged or gives something else")]
    Drill(DrillArgs),
    /// 体检 looks at configuration, folder, journal, read models, terminals and calendars
    #[command(
        after_help = "例 examples:\n  zhoubao doctor\n  zhoubao doctor --json | jq '.findings[] | select(.level != \"ok\")'\n\n\
        退出码 exit codes: 0 nothing broken · 3 integrity · 6 a server or disk · 78 configuration"
    )]
    Doctor(DoctorArgs),
    /// 消息服务器配置 writes the configuration of the hall's nats-server from the register
    #[command(after_help = "例 examples:\n  zhoubao nats-config --out /etc/zhoubao/nats\n  \
        zhoubao nats-config --out /etc/zhoubao/nats && nats-server --signal reload\n\n\
        accounts.conf is written anew each time: terminals that are in service and have a key, and the services. Seeds of the\n\
        services are made once, in keys/; nats-server.conf is written only where there is none. See docs/nats.md")]
    NatsConfig(NatsConfigArgs),
    /// 看守消息服务器 records who tries what he may not, or leaves batches open
    #[command(
        after_help = "例 examples:\n  zhoubao nats-watch --out /etc/zhoubao/nats --log /var/log/nats-server.log\n  \
        zhoubao nats-watch --out /etc/zhoubao/nats --log /var/log/nats-server.log --once --json\n\n\
        Runs beside the server, with the key `watch`; `zhoubao doctor` shows what it recorded. See docs/nats.md"
    )]
    NatsWatch(NatsWatchArgs),
    /// 查看配置 shows the settings in force and where each comes from
    #[command(
        after_help = "例 examples:\n  zhoubao config check\n  ZHOUBAO_JOURNAL=nats zhoubao config check --json"
    )]
    Config(ConfigArgs),
    /// 说明代码 explains a code: cause, fix and example
    #[command(
        after_help = "例 examples:\n  zhoubao explain E.103\n  zhoubao explain            every code"
    )]
    Explain(ExplainArgs),
    /// 接口说明 describes what other programs may ask of the product, and what they find in its journal
    #[command(
        after_help = "例 examples:\n  zhoubao api openapi  > openapi.json\n  zhoubao api asyncapi > asyncapi.json"
    )]
    Api(ApiArgs),
    /// 测速 measures the product beside a hand-written program, or beside itself when it is idle
    #[command(after_help = "例 examples:\n  zhoubao bench rebuild --events 1000000\n  \
        zhoubao bench rebuild --journal nats --store postgres://zhoubao@db/zhoubao --events 1000000 --json\n  \
        zhoubao bench append --journal nats --events 100000\n  \
        zhoubao bench drain --journal nats\n  zhoubao bench ingest --journal nats\n  zhoubao bench live --journal nats\n  \
        zhoubao bench compose --events 1000000\n\n\
        见 docs/benchmarks.md; halls 990000 and 990001, schemas zhoubao_bench and zhoubao_bench_raw are made and removed")]
    Bench(BenchArgs),
    /// 模拟故障 runs whole halls under seeded faults in memory, and checks every promise after every step
    #[command(after_help = "例 examples:\n  zhoubao sim --seeds 1000\n  \
        zhoubao sim --seed 4711 --weeks 3 --faults network,crash,tail --trace\n\n\
        同一种子结果相同 the same seed is the same run; reads and writes nothing. See docs/reliability.md")]
    Sim(SimArgs),
}

/// Flags of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Where the pages are.
    #[command(flatten)]
    pub pages: PagesArgs,
}

/// Where the pages of a service are.
#[derive(Debug, Clone, Default, Args)]
pub struct PagesArgs {
    /// 页面地址 address of the pages and the HTTP API [default: 127.0.0.1:8425; `none`: no pages]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// Arguments of `account`.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AccountAction,
}

/// What `account` does.
#[derive(Debug, Clone, Subcommand)]
pub enum AccountAction {
    /// 一次性链接 makes a link with which a person sets a password; an earlier link of his ends, his password holds on
    #[command(after_help = "例 example:\n  zhoubao account link u100")]
    Link {
        /// 工号 work number
        user: UserId,
        /// 页面网址 address of the pages, as the person calls it [default: that of the settings]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// 动态码 says whether a person has a device for one-time codes, or forgets it when it is lost
    #[command(
        after_help = "例 examples:\n  zhoubao account totp u200\n  zhoubao account totp u200 --remove\n\n\
        本人在页面上绑定 the person sets a device up on the pages, under 本人"
    )]
    Totp {
        /// 工号 work number
        user: UserId,
        /// 解除 forgets the device: until another is set up, sign-offs are as the setting `totp` says
        #[arg(long)]
        remove: bool,
    },
    /// 大屏 makes a link for a wall screen, which needs no login; an earlier link of this name ends
    #[command(after_help = "例 examples:\n  zhoubao account screen 一楼大屏\n  \
        zhoubao account screen 一楼大屏 --remove\n  zhoubao account screen        lists them")]
    Screen {
        /// 名称 its name; none: lists all
        name: Option<String>,
        /// 收回 takes the link back: within a minute the screen shows nothing any more
        #[arg(long, requires = "name")]
        remove: bool,
        /// 页面网址 address of the pages, as the screen calls it [default: that of the settings]
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

/// Flags of `project`.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// 到当前末尾为止 up to what the journal holds now
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `setup`.
#[derive(Debug, Clone, Args)]
pub struct SetupArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SetupAction,
}

/// What `setup` does.
#[derive(Debug, Clone, Subcommand)]
pub enum SetupAction {
    /// 应用文件 records every entry of these files or folders that differs from what is in force
    #[command(
        after_help = "例 example:\n  zhoubao setup apply hall.toml data/setup data/calendars data/templates --by u100\n\n\
        A JSON file is the body of one entry: figures.json, rules.json, checklist.json, calendar 2023.json, or\n\
        <topic>.<id>.json. A TOML file has one table for each entry, [window.w01], or is a template."
    )]
    Apply {
        /// Files or folders.
        #[arg(required = true, value_name = "FILE|FOLDER")]
        paths: Vec<PathBuf>,
        /// Who, when, and whether at all.
        #[command(flatten)]
        by: ByArgs,
    },
    /// 录入一项 records one entry
    #[command(after_help = "例 example:\n  zhoubao setup put user u100 u100.json --by u1")]
    Put {
        /// hall, window, terminal, department, matter, checklist, template, calendar, user, figures or rules.
        topic: String,
        /// The id of the entry.
        id: ObjectId,
        /// Its body as JSON, or a template as TOML.
        file: PathBuf,
        /// Who, when, and whether at all.
        #[command(flatten)]
        by: ByArgs,
    },
    /// 列出 lists what is in force
    #[command(after_help = "例 example:\n  zhoubao setup list --json")]
    List {
        /// Only this topic.
        topic: Option<String>,
    },
    /// 显示一项 shows one entry
    #[command(after_help = "例 example:\n  zhoubao setup show calendar 2023")]
    Show {
        /// The topic.
        topic: String,
        /// The id.
        id: ObjectId,
    },
}

/// Who acts, and whether at all.
#[derive(Debug, Clone, Default, Args)]
pub struct ByArgs {
    /// 工号 work number of who does it
    #[arg(long, value_name = "WORK NUMBER")]
    pub by: Option<UserId>,
    /// 幂等键 idempotency key: the same key again answers with the first position
    #[arg(long = "id", value_name = "KEY")]
    pub key: Option<String>,
    /// 只看结果，不写入 shows what would happen and writes nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `terminal`.
#[derive(Debug, Clone, Args)]
pub struct TerminalArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: TerminalAction,
}

/// Which terminal, and where its ledger is.
#[derive(Debug, Clone, Args)]
pub struct LedgerArgs {
    /// 终端 the device, as the hall's set-up names it
    pub terminal: TerminalId,
    /// 台账 its ledger [default: terminal-w01.db in the data folder, for w01]
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// What `terminal` does.
#[derive(Debug, Clone, Subcommand)]
pub enum TerminalAction {
    /// 运行 takes events on standard input and on a local port, and sends what the ledger holds
    #[command(after_help = "例 examples:\n  zhoubao terminal run w01 --once < events.ndjson\n  \
        zhoubao terminal run w01 --listen 127.0.0.1:7800\n\n\
        见 docs/terminal.md: what the port answers")]
    Run {
        /// Whose.
        #[command(flatten)]
        of: LedgerArgs,
        /// 全部送达后结束 ends when standard input has ended and everything is in the journal
        #[arg(long)]
        once: bool,
        /// 本机端口 takes events over HTTP, too, on this address of the device
        #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
        listen: Option<SocketAddr>,
        /// 允许他机访问 allows an address that other machines reach; what goes over it is not encrypted
        #[arg(long, requires = "listen")]
        listen_anywhere: bool,
    },
    /// 状态 what is recorded, what the journal has, and what keeps it from being sent
    #[command(after_help = "例 example:\n  zhoubao terminal status w01 --json | jq .to_send")]
    Status {
        /// Whose.
        #[command(flatten)]
        of: LedgerArgs,
    },
    /// 登记 makes the device's keys, if it has none, and prints the public ones for the hall's register
    #[command(after_help = "例 example, on the device and then in the office:\n  \
        zhoubao terminal enroll w01 > key.w01.json\n  \
        zhoubao setup apply key.w01.json --by u900")]
    Enroll {
        /// 终端 the device, as the hall's set-up names it
        terminal: TerminalId,
        /// 有效至 last day on which the keys are meant to be used [default: two years from today]
        #[arg(long, value_name = "DATE")]
        valid_through: Option<Date>,
    },
    /// 换钥 makes new keys, which the present one vouches for, and prints the public ones
    #[command(
        after_help = "例 example, on the device, in the office, and on the device again:\n  \
        zhoubao terminal rekey w01 > key.w01.json\n  \
        zhoubao setup apply key.w01.json --by u900\n  \
        zhoubao terminal rekey w01 --approved"
    )]
    Rekey {
        /// 终端 the device
        terminal: TerminalId,
        /// 有效至 last day on which the keys are meant to be used [default: two years from today]
        #[arg(long, value_name = "DATE")]
        valid_through: Option<Date>,
        /// 已入册 the new keys are in the register: use them from now on
        #[arg(long, conflicts_with = "valid_through")]
        approved: bool,
    },
    /// 吊销 takes nothing any more that the device's keys sign, in the office
    #[command(after_help = "例 example:\n  zhoubao terminal revoke w01 --by u900")]
    Revoke {
        /// 终端 the device
        terminal: TerminalId,
        /// Who.
        #[command(flatten)]
        by: ByArgs,
    },
    /// 信任 takes receipts that another key of the hall has signed
    #[command(after_help = "例 example:\n  zhoubao terminal trust w01 \
        ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c")]
    Trust {
        /// Whose.
        #[command(flatten)]
        of: LedgerArgs,
        /// 公钥 the hall's receipt key, as `zhoubao doctor` of the hall shows it
        key: PublicKey,
    },
    /// 人员 who may log in on this device, with a PIN
    #[command(
        after_help = "例 examples:\n  zhoubao terminal clerk add w01 u100\n  zhoubao terminal clerk list w01"
    )]
    Clerk {
        /// What to do.
        #[command(subcommand)]
        action: ClerkAction,
    },
    /// 导出 prints the ledger, one CloudEvent in JSON a line
    #[command(after_help = "例 example:\n  zhoubao terminal export w01 --after 4650 > w01.ndjson")]
    Export {
        /// Whose.
        #[command(flatten)]
        of: LedgerArgs,
        /// Only the events after this number.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
}

/// What `terminal clerk` does.
#[derive(Debug, Clone, Subcommand)]
pub enum ClerkAction {
    /// 设密码 sets the PIN of a clerk: one line of standard input, 6 digits or more
    #[command(after_help = "例 example:\n  zhoubao terminal clerk add w01 u100 < pin.txt\n\n\
        在终端上输入不显示，须输两次 on a terminal it is typed twice and not shown")]
    Add {
        /// Whose device.
        #[command(flatten)]
        of: LedgerArgs,
        /// 工号 the work number
        clerk: UserId,
    },
    /// 移除 takes a clerk off the device; a login of his ends at once
    #[command(after_help = "例 example:\n  zhoubao terminal clerk remove w01 u100")]
    Remove {
        /// Whose device.
        #[command(flatten)]
        of: LedgerArgs,
        /// 工号 the work number
        clerk: UserId,
    },
    /// 列出 lists the clerks of the device
    #[command(after_help = "例 example:\n  zhoubao terminal clerk list w01 --json")]
    List {
        /// Whose device.
        #[command(flatten)]
        of: LedgerArgs,
    },
}

/// What is recorded by `emit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EmitKind {
    /// 咨询
    #[value(name = "consult", alias = "咨询")]
    Consult,
    /// 受理
    #[value(name = "accept", alias = "受理")]
    Accept,
    /// 颁发
    #[value(name = "issue", alias = "颁发")]
    Issue,
    /// 流转
    #[value(name = "transfer", alias = "流转")]
    Transfer,
    /// 日结
    #[value(name = "close", alias = "日结")]
    Close,
    /// 更正
    #[value(name = "correct", alias = "更正")]
    Correct,
    /// 撤销
    #[value(name = "void", alias = "撤销")]
    Void,
    /// 授权变更
    #[value(name = "authz", aliases = ["授权", "授权变更"])]
    Authz,
    /// 放行
    #[value(name = "release", alias = "放行")]
    Release,
    /// 驳回
    #[value(name = "reject", alias = "驳回")]
    Reject,
    /// One CloudEvent in JSON a line of standard input.
    #[value(name = "-")]
    Lines,
}

/// What changes in an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChangeKind {
    /// 授权
    Authorised,
    /// 取消授权
    Withdrawn,
    /// 事项纳入
    ItemsIncluded,
    /// 事项移出
    ItemsRemoved,
    /// 更换首席事务代表
    RepresentativeReplaced,
    /// 重签授权书
    LetterSigned,
}

/// Arguments of `emit`.
#[derive(Debug, Clone, Args)]
pub struct EmitArgs {
    /// 事项 what happened; Chinese words do as well; `-` reads lines from standard input
    #[arg(value_enum)]
    pub kind: EmitKind,
    /// 终端 the device in whose line it is recorded
    #[arg(long)]
    pub terminal: Option<TerminalId>,
    /// 人次 people advised
    #[arg(long)]
    pub people: Option<u32>,
    /// 部门 the department
    #[arg(long)]
    pub department: Option<DepartmentId>,
    /// 事项 the matter
    #[arg(long)]
    pub matter: Option<MatterId>,
    /// 办件编号 the case
    #[arg(long)]
    pub case: Option<CaseId>,
    /// 发生时间 when it happened, such as 2023-02-06T10:41+08:00 [default: now]
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// 日结日 the day that is closed, or from which an authorization holds [default: today]
    #[arg(long, value_name = "DATE")]
    pub day: Option<Date>,
    /// 日结咨询数 the window's own tally
    #[arg(long, value_name = "N")]
    pub consulted: Option<i64>,
    /// 日结受理数
    #[arg(long, value_name = "N")]
    pub accepted: Option<i64>,
    /// 日结颁发数
    #[arg(long, value_name = "N")]
    pub issued: Option<i64>,
    /// 日结流转数
    #[arg(long, value_name = "N")]
    pub transferred: Option<i64>,
    /// 原事件 the event that is corrected, voided, released or rejected, such as terminal.w01#17
    #[arg(long, value_name = "EVENT")]
    pub event: Option<EventRef>,
    /// 序号 position of the message that is released or rejected, where its line did not take it when it came (`zhoubao
    /// doctor` shows it)
    #[arg(long, value_name = "POSITION")]
    pub position: Option<u64>,
    /// 原因 why
    #[arg(long)]
    pub reason: Option<String>,
    /// 授权变更种类 what changes in the authorization
    #[arg(long, value_enum)]
    pub change: Option<ChangeKind>,
    /// 纳入或移出的事项 matters that are included or removed
    #[arg(long = "item", value_name = "MATTER", action = ArgAction::Append)]
    pub items: Vec<MatterId>,
    /// 首席事务代表工号 the new chief representative
    #[arg(long, value_name = "WORK NUMBER")]
    pub representative: Option<UserId>,
    /// 授权书编号 number of the letter
    #[arg(long)]
    pub letter: Option<String>,
    /// 终端序号 number in the terminal's line: the same number again is not recorded twice
    #[arg(long)]
    pub number: Option<u64>,
    /// Who, under which key, and whether at all.
    #[command(flatten)]
    pub by: ByArgs,
    /// 不计数也照录 records it even if it would not count
    #[arg(long)]
    pub anyway: bool,
}

/// Flags of `rebuild`.
#[derive(Debug, Clone, Default, Args)]
pub struct RebuildArgs {
    /// 逐行比对 compares every row with the live copy first
    #[arg(long)]
    pub verify: bool,
    /// 只比对，不替换 keeps the live copy
    #[arg(long)]
    pub dry_run: bool,
    /// 同库的其它大厅 other halls in the same PostgreSQL schema, rebuilt with this one
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub also: Vec<HallCode>,
}

/// Flags of `archive`.
#[derive(Debug, Clone, Default, Args)]
pub struct ArchiveArgs {
    /// 存档目录 the folder, on another disk than the journal [default: the setting `archive`]
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    /// 到当前末尾为止 up to what the journal holds now
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// 备份文件 the file, which must not be there
    pub file: PathBuf,
    /// 存档目录 an archive to take it from, instead of the journal
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<PathBuf>,
    /// 接受缺失文件 goes on although published files or attachments are missing or altered
    #[arg(long)]
    pub accept_missing_files: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// 存档或备份 folder of an archive, or file of a backup
    #[arg(value_name = "FOLDER|FILE")]
    pub from: PathBuf,
    /// 只放回文件 puts back only the files that the store lacks; the journal is there and stays as it is
    #[arg(long)]
    pub files: bool,
    /// 接受缺失文件 goes on although published files or attachments are missing or altered
    #[arg(long)]
    pub accept_missing_files: bool,
}

/// Arguments of `recover`: the year's sums and the numbers of the last issue, all of them.
#[derive(Debug, Clone, Args)]
pub struct RecoverArgs {
    /// 截至 last day of the last issue's period
    #[arg(long, value_name = "DATE")]
    pub through: Date,
    /// 咨询累计
    #[arg(long, value_name = "N")]
    pub consulted: i64,
    /// 受理累计
    #[arg(long, value_name = "N")]
    pub accepted: i64,
    /// 颁发累计
    #[arg(long, value_name = "N")]
    pub issued: i64,
    /// 流转累计
    #[arg(long, value_name = "N")]
    pub transferred: i64,
    /// 上一期年内期号 number of the year's last issue; 0 if there was none
    #[arg(long, value_name = "N")]
    pub last_number: u32,
    /// 上一期总期号 running number of the last issue; 0 if there was none
    #[arg(long, value_name = "N")]
    pub last_running_number: u32,
    /// Who, and whether at all.
    #[command(flatten)]
    pub by: ByArgs,
    /// 确认 does it without a question
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `drill`.
#[derive(Debug, Clone, Args)]
pub struct DrillArgs {
    /// 存档或备份 folder of an archive, or file of a backup [default: the setting `archive`]
    #[arg(long, value_name = "FOLDER|FILE")]
    pub from: Option<PathBuf>,
    /// 接受缺失文件 goes on although published files or attachments are missing or altered
    #[arg(long)]
    pub accept_missing_files: bool,
}

/// Flags of `doctor`.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {}

/// Arguments of `nats-config`.
#[derive(Debug, Clone, Args)]
pub struct NatsConfigArgs {
    /// 输出目录 folder for nats-server.conf, accounts.conf and keys/
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// 监听地址 address for clients, in a new nats-server.conf
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4222")]
    pub listen: String,
    /// 服务器名 name of the server, in a new nats-server.conf
    #[arg(long, value_name = "NAME", default_value = "hall-1")]
    pub server_name: String,
    /// 存储目录 folder of the streams, in a new nats-server.conf
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/zhoubao/nats")]
    pub store_dir: PathBuf,
}

/// Arguments of `nats-watch`.
#[derive(Debug, Clone, Args)]
pub struct NatsWatchArgs {
    /// 配置目录 folder that `nats-config` writes: accounts.conf says whose key is whose
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// 服务器日志 the log of the nats-server
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// 只读一遍日志 reads the log once and ends; batches that are left open are not heard of
    #[arg(long)]
    pub once: bool,
}

/// Arguments of `config`.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What `config` does.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigAction {
    /// 检查并列出 checks every source and lists what is in force, without passwords
    #[command(after_help = "例 example:\n  zhoubao config check --config /etc/zhoubao.toml")]
    Check,
}

/// Arguments of `api`.
#[derive(Debug, Clone, Args)]
pub struct ApiArgs {
    /// 说明 what to describe
    #[arg(value_enum)]
    pub what: Api,
}

/// What `api` describes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Api {
    /// HTTP: OpenAPI 3.1
    Openapi,
    /// 事件日志 the journal: AsyncAPI 3
    Asyncapi,
}

/// Arguments of `explain`.
#[derive(Debug, Clone, Default, Args)]
pub struct ExplainArgs {
    /// 代码 the code, such as E.103; none lists every code
    pub code: Option<String>,
}

/// Flags of `sim`.
#[derive(Debug, Clone, Args)]
pub struct SimArgs {
    /// 种子 the first seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// 种子数 how many seeds, one after the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// 周数 weeks that each hall works, each with an issue
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=52))]
    pub weeks: u32,
    /// 故障 kinds of faults of which each seed draws some; all where absent
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    pub faults: Vec<String>,
    /// 打印过程 prints every step
    #[arg(long)]
    pub trace: bool,
}

/// Flags of `demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// Where the pages are.
    #[command(flatten)]
    pub pages: PagesArgs,
    /// 只跑一遍 ends when the issue is out, instead of going on live
    #[arg(long)]
    pub once: bool,
    /// 随机种子 the same seed gives the same record
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchKind {
    /// Appending to the journal.
    Append,
    /// Folding the journal into new read models.
    Rebuild,
    /// A window that sends what it recorded in weeks without network, and what the others notice of it.
    Drain,
    /// Many writers over HTTP, with and without group commit.
    Ingest,
    /// From an event on disk to the screens that watch, and the broker's own way to as many subscribers.
    Live,
    /// What readers of the live board cost the service, the one above the limit, and one that never reads.
    Readers,
    /// Composing and rendering an issue after a long journal, and after a short one.
    Compose,
}

/// What one process of `bench` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchTurn {
    /// Makes the journal.
    Fill,
    /// The product.
    Product,
    /// The hand-written program beside it.
    Baseline,
}

impl BenchTurn {
    /// Its value on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Product => "product",
            Self::Baseline => "baseline",
        }
    }
}

/// Arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct BenchArgs {
    /// 测什么 what to measure
    #[arg(value_enum)]
    pub kind: BenchKind,
    /// 事件数 events [default: 100000; of a drain 10000, of ingest 20000, of live 5000, of readers 500, of compose
    /// 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,
    /// 每批或每页条数 messages of one append [default: 200], or of a page of the baseline's rebuild [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub page: Option<u32>,
    /// 轮数 runs of each side, by turns, or drains [default: 3; of a drain 20, of compose 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: Option<u32>,
    /// 落盘延时 milliseconds that each fsync of the benchmark's own server takes longer; needs strace, unless 0 [default: 4
    /// of a drain, else 0]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub fsync_ms: Option<u32>,
    /// 观看者 readers of the live board, of `readers`: as many as its service lets in
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = readers)]
    pub readers: usize,
    /// 随机种子 the same seed gives the same record
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// The turn of this process.
    #[arg(long, value_enum, hide = true, requires = "inside")]
    pub turn: Option<BenchTurn>,
    /// The folder of the run.
    #[arg(long, hide = true, requires = "turn")]
    pub inside: Option<PathBuf>,
}

impl BenchArgs {
    /// Events to be measured.
    #[must_use]
    pub fn events(&self) -> u64 {
        let usual = match self.kind {
            BenchKind::Append | BenchKind::Rebuild => 100_000,
            BenchKind::Drain => 10_000,
            BenchKind::Ingest => 20_000,
            BenchKind::Live => 5_000,
            BenchKind::Readers => 500,
            BenchKind::Compose => 1_000_000,
        };
        self.events.unwrap_or(usual)
    }

    /// Milliseconds that each fsync of the benchmark's own server takes longer.
    #[must_use]
    pub fn fsync_ms(&self) -> u32 {
        self.fsync_ms.unwrap_or(if self.kind == BenchKind::Drain { 4 } else { 0 })
    }

    /// How often.
    #[must_use]
    pub fn runs(&self) -> u32 {
        let usual = match self.kind {
            BenchKind::Drain | BenchKind::Compose => 20,
            BenchKind::Append
            | BenchKind::Rebuild
            | BenchKind::Ingest
            | BenchKind::Live
            | BenchKind::Readers => 3,
        };
        self.runs.unwrap_or(usual)
    }

    /// Messages of one append.
    #[must_use]
    pub fn page_of_append(&self) -> usize {
        let most = zhoubao_application::journal::BATCH_MESSAGES_MAX;
        self.page.and_then(|it| usize::try_from(it).ok()).unwrap_or(most).min(most)
    }

    /// Messages of a page of the baseline; the product has its own.
    #[must_use]
    pub fn page_of_rebuild(&self) -> usize {
        let usual = zhoubao_application::follow::PAGE_MESSAGES_MAX;
        self.page.and_then(|it| usize::try_from(it).ok()).unwrap_or(usual)
    }
}

/// A form in which an issue is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text.
    Txt,
    /// A page.
    Html,
    /// The canonical issue.
    Json,
    /// The figures.
    Csv,
    /// A Word file.
    Docx,
    /// The printed page, PDF/A.
    Pdf,
    /// The same page, GB/T 33190.
    Ofd,
    /// Every form.
    All,
}

/// Fewer than two leave nobody beside the one that never reads.
fn readers(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|it| (2..=20_000).contains(it));
    count.ok_or_else(|| "expected 2 to 20000".to_owned())
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// 表 key of the table, as templates declare it
    pub table: ObjectId,
    /// 文件 a CSV file in UTF-8, the first line names the columns
    pub file: PathBuf,
    /// 来源 whose figures they are
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// 起 first day that they cover
    #[arg(long, value_name = "DATE")]
    pub from: Date,
    /// 止 last day that they cover, the cut-off
    #[arg(long, value_name = "DATE")]
    pub to: Date,
    /// Who imports.
    #[command(flatten)]
    pub by: ByArgs,
}

/// Arguments of `compose`.
#[derive(Debug, Clone, Args)]
pub struct ComposeArgs {
    /// 期 the issue: its id, year and number such as 2023-05, or with its series monthly/2023-02; none: the composer
    pub issue: Option<String>,
    /// 只此一次 ends when what is signed off now is published
    #[arg(long, conflicts_with = "issue")]
    pub once: bool,
    /// 版次 a version that was signed off, from 1, as it was signed
    #[arg(long, value_name = "NUMBER", requires = "issue", conflicts_with = "template")]
    pub edition: Option<usize>,
    /// 试用模板 tries a template file on the issue's figures, as a draft
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// 参数 with --template: sets a parameter or number that the template asks for; may be given again
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameter, requires = "template")]
    pub set: Vec<(String, String)>,
    /// 格式 in which form
    #[arg(long, value_enum, default_value_t = Format::Txt)]
    pub format: Format,
    /// 输出目录 folder for the files; without it one form goes to standard output
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Flags of `trace`.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// 期与数据 the issue and, after `#`, the figure: its name such as 受理.本周, or its number in the list of sources
    #[arg(value_name = "ISSUE[#FIGURE]")]
    pub figure: String,
    /// 自上期累计 of a year's figure only what was added since the previous issue, beside that issue's figure
    #[arg(long)]
    pub carried: bool,
    /// 溯源包 writes everything that is needed to recount the figure offline into one file
    #[arg(long, value_name = "FILE.zip")]
    pub bundle: Option<PathBuf>,
}

/// Flags of `seal`.
#[derive(Debug, Clone, Args)]
pub struct SealArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SealAction,
}

/// What `seal` does.
#[derive(Debug, Clone, Subcommand)]
pub enum SealAction {
    /// 生成 makes the key, once, and shows its public half
    #[command(after_help = "例 examples:\n  zhoubao seal new\n  zhoubao seal new --algorithm sm2")]
    New {
        /// 算法 how it signs
        #[arg(long, value_enum, default_value_t = SealAlgorithm::Ed25519)]
        algorithm: SealAlgorithm,
    },
    /// 显示 shows the public half, to be made known
    #[command(after_help = "例 example:\n  zhoubao seal show")]
    Show,
}

/// How a seal is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SealAlgorithm {
    /// Ed25519
    Ed25519,
    /// SM2 with SM3
    Sm2,
}

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// 文件 bundles, packages (folders or zips), or single files beside their manifest
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// 密钥 the seal must be of this public key; may be given again
    #[arg(long, value_name = "HEX")]
    pub key: Vec<String>,
    /// 可信密钥 file of public keys, one a line, perhaps with the last day on which it seals
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// 对照日志 compares with the hall's journal, too: what was signed and published, and whether it was corrected since
    #[arg(long)]
    pub with_journal: bool,
}

/// Flags of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AuditAction,
}

/// What `audit` does.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// 核验日志 checks the chain of every line, every signature, the root of every freeze, and every published file
    #[command(
        after_help = "例 examples:\n  zhoubao audit verify\n  zhoubao audit verify --json\n\n\
        退出码 exit codes: 0 as it was written · 3 not, with the places. See docs/verify.md"
    )]
    Verify,
}

/// By what `stats` groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// 日
    #[value(alias = "日")]
    Day,
    /// 窗口
    #[value(alias = "窗口")]
    Window,
    /// 部门
    #[value(alias = "部门")]
    Department,
    /// 事项种类
    #[value(alias = "种类")]
    Kind,
}

/// Arguments of `stats`.
#[derive(Debug, Clone, Args)]
pub struct StatsArgs {
    /// 截至 as it was known at a position of the journal, or at a time such as 2023-02-10 or 2023-02-10T17:00+08:00
    #[arg(long, value_name = "POSITION|TIME")]
    pub as_of: Option<String>,
    /// 分组 one row for each of these
    #[arg(long, value_enum, default_value_t = By::Kind)]
    pub by: By,
    /// 周 a week such as 2023-W06
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub week: Option<String>,
    /// 起 first day
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// 止 last day
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
}

/// Who decides about an issue, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct DecideArgs {
    /// Who, under which key, and whether at all.
    #[command(flatten)]
    pub by: ByArgs,
    /// 确认 does it without a question: needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `desk`.
#[derive(Debug, Clone, Args)]
pub struct DeskArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: DeskAction,
}

/// What `desk` does.
#[derive(Debug, Clone, Subcommand)]
pub enum DeskAction {
    /// 列出稿件 lists the news, the latest first
    #[command(after_help = "例 example:\n  zhoubao desk list --json")]
    List,
    /// 报送 files news of a department for the issue in work
    #[command(after_help = "例 examples:\n  \
        zhoubao desk file --section window-service --department 市场监管局 --text news.txt --by u301\n  \
        zhoubao desk file --section window-service --department d12 --text - --attach photo.jpg --attach scan.pdf --by u301 < news.txt")]
    File {
        /// 栏目 key or heading of the section
        #[arg(long)]
        section: String,
        /// 报送单位 the department: id, name or former name
        #[arg(long)]
        department: String,
        /// 正文 a file with the text; `-`: standard input
        #[arg(long, value_name = "PATH")]
        text: PathBuf,
        /// 附件 a PNG, JPEG, PDF, DOCX, XLSX or OFD of at most 8 MB; up to eight
        #[arg(long, value_name = "PATH")]
        attach: Vec<PathBuf>,
        /// 替换 files anew what was filed under this id
        #[arg(long, value_name = "ID")]
        submission: Option<ObjectId>,
        /// 报送下一期 for the next issue, where the one in work takes no more
        #[arg(long)]
        late: bool,
        /// Who files it.
        #[command(flatten)]
        by: ByArgs,
    },
    /// 退回 gives news back to the department
    #[command(
        after_help = "例 example:\n  zhoubao desk return n-3f0a --reason 请补充办理时限 --by u100"
    )]
    Return {
        /// The submission.
        submission: ObjectId,
        /// 原因 why
        #[arg(long)]
        reason: String,
        /// Who returns it.
        #[command(flatten)]
        by: ByArgs,
    },
    /// 取附件 writes the attachments of news into a folder
    #[command(after_help = "例 example:\n  zhoubao desk attachments n-3f0a --out files/")]
    Attachments {
        /// The submission.
        submission: ObjectId,
        /// 文件夹 where they are put
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// 巡查 records an inspection round over the checklist
    #[command(after_help = "例 example:\n  \
        zhoubao desk inspect --day 2023-02-08 --results round.json --by u401\n\n\
        结果 the results: [{\"item\": \"窗口纪律\", \"findings\": [\"咨询台无人值守。\"]}, {\"item\": \"环境卫生\", \"findings\": []}]")]
    Inspect {
        /// 日期 the day of the round
        #[arg(long, value_name = "DATE")]
        day: Date,
        /// 结果 a JSON file with every item of the checklist: `item`, `findings`, `remark`; `-`: standard input
        #[arg(long, value_name = "PATH")]
        results: PathBuf,
        /// Who went round.
        #[command(flatten)]
        by: ByArgs,
    },
}

/// Arguments of `issue`.
#[derive(Debug, Clone, Args)]
pub struct IssueArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: IssueAction,
}

/// What `issue` does.
#[derive(Debug, Clone, Subcommand)]
pub enum IssueAction {
    /// 列出各期 lists the issues
    #[command(after_help = "例 example:\n  zhoubao issue list")]
    List,
    /// 显示一期 shows an issue and its history
    #[command(after_help = "例 example:\n  zhoubao issue show 2023-05")]
    Show {
        /// The issue: its id, or year and number.
        issue: String,
    },
    /// 开一期 opens an issue for the next period, or for the days given
    #[command(
        after_help = "例 examples:\n  zhoubao issue open 2023-w06 --from 2023-02-06 --to 2023-02-10 --by u100\n  \
        zhoubao issue open m2023-02 --series monthly --from 2023-02-01 --to 2023-02-28 --by u100"
    )]
    Open {
        /// Id of the new issue.
        issue: ObjectId,
        /// 起 first day
        #[arg(long, value_name = "DATE", requires = "to")]
        from: Option<Date>,
        /// 止 last day
        #[arg(long, value_name = "DATE", requires = "from")]
        to: Option<Date>,
        /// 系列 the series, by the id of its template [default: the hall's main bulletin]
        #[arg(long, value_name = "TEMPLATE")]
        series: Option<ObjectId>,
        /// 参数 sets a parameter or number that the template asks for; may be given again
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameter)]
        set: Vec<(String, String)>,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 改数据期 sets another period
    #[command(
        after_help = "例 example:\n  zhoubao issue period 2023-w06 --from 2023-02-06 --to 2023-02-11 --by u100"
    )]
    Period {
        /// The issue.
        issue: String,
        /// 起 first day
        #[arg(long, value_name = "DATE")]
        from: Date,
        /// 止 last day
        #[arg(long, value_name = "DATE")]
        to: Date,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 采用稿件 takes a submission into the issue
    #[command(after_help = "例 example:\n  zhoubao issue adopt 2023-w06 s17 --order 2 --by u100")]
    Adopt {
        /// The issue.
        issue: String,
        /// The submission.
        submission: ObjectId,
        /// 次序 place within its section
        #[arg(long, default_value_t = 0)]
        order: u32,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 改稿 prints an adopted submission with other words; the department sees what was changed, and why
    #[command(
        after_help = "例 example:\n  zhoubao issue edit 2023-w06 s17 --file s17.txt --reason 文字精简 --by u100"
    )]
    Edit {
        /// The issue.
        issue: String,
        /// The submission.
        submission: ObjectId,
        /// 正文 a file with the words
        #[arg(long, value_name = "PATH")]
        file: PathBuf,
        /// 原因 why
        #[arg(long)]
        reason: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 冻结 fixes the figures at the present position
    #[command(after_help = "例 example:\n  zhoubao issue freeze 2023-w06 --by u100")]
    Freeze {
        /// The issue.
        issue: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 检查 lists what the checks find, and who accepted it
    #[command(
        after_help = "例 example:\n  zhoubao issue check 2023-w06\n\n以 E. 开头的须改正（退出码 4），以 W. 开头的须由具名人员说明原因后确认。\n\
        What begins with E. has to be put right (exit code 4), what begins with W. is accepted with a reason."
    )]
    Check {
        /// The issue.
        issue: String,
    },
    /// 确认提示 accepts what a check found, with a reason
    #[command(
        after_help = "例 example:\n  zhoubao issue accept 2023-w06 W.310 --place s17 --reason 已与该厅核对 --by u100\n  \
        zhoubao issue accept 2023-w06 W.204 --all --reason 含上年结转 --by u100"
    )]
    Accept {
        /// The issue.
        issue: String,
        /// 代码 code of the finding
        #[arg(value_name = "CODE")]
        code: String,
        /// 位置 words of the place, such as the id of a submission [default: the only place]
        #[arg(long, value_name = "WORDS", conflicts_with = "all")]
        place: Option<String>,
        /// 全部 all places
        #[arg(long)]
        all: bool,
        /// 原因 why
        #[arg(long)]
        reason: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 送审 hands the draft to the leader
    #[command(after_help = "例 example:\n  zhoubao issue submit 2023-w06 --by u100")]
    Submit {
        /// The issue.
        issue: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 退回 hands the draft back
    #[command(
        after_help = "例 example:\n  zhoubao issue return 2023-w06 --reason 数据待核 --by u200"
    )]
    Return {
        /// The issue.
        issue: String,
        /// 原因 why
        #[arg(long)]
        reason: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 签发 approves and numbers the issue
    #[command(
        after_help = "例 example:\n  zhoubao issue sign 2023-w06 --on 2023-02-20 --by u200 --code 123456 --yes"
    )]
    Sign {
        /// The issue.
        issue: String,
        /// 印发日期 date of the masthead [default: today]
        #[arg(long, value_name = "DATE")]
        on: Option<Date>,
        /// 动态码 one-time code of the person's device, where one is asked for
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 发布 renders a signed issue, keeps its files and lets it out; the composer does the same by itself
    #[command(after_help = "例 example:\n  zhoubao issue publish 2023-05")]
    Publish {
        /// The issue.
        issue: String,
    },
    /// 更正 begins a new version of a signed issue; the one before stays as it is
    #[command(after_help = "例 examples:\n  \
        zhoubao issue amend 2023-05 --note “签定”更正为“签订” --by u100\n  \
        zhoubao issue submit 2023-05 --by u100 && zhoubao issue sign 2023-05 --by u200 --yes\n\n\
        期号不变 its numbers stay; news may be adopted anew, and the latest issue's figures frozen anew")]
    Amend {
        /// The issue.
        issue: String,
        /// 更正说明 what is put right, as readers are told
        #[arg(long)]
        note: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 归档包 writes the archive package of a published issue: every form, checks, distribution, manifest
    #[command(after_help = "例 examples:\n  zhoubao issue package 2023-05 --out /mnt/archive\n  \
        zhoubao issue package 2023-05 --edition 1 --out .")]
    Package {
        /// The issue.
        issue: String,
        /// 版次 which version, from 1 [default: the latest that is published]
        #[arg(long, value_name = "NUMBER")]
        edition: Option<usize>,
        /// The folder in which the package becomes a folder.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// 版本差异 lists figures and paragraphs that differ between two versions
    #[command(after_help = "例 example:\n  zhoubao issue diff 2023-05 --from 1 --to 2")]
    Diff {
        /// The issue.
        issue: String,
        /// 旧版 the earlier version [default: the one before the later]
        #[arg(long, value_name = "NUMBER")]
        from: Option<usize>,
        /// 新版 the later version [default: the present one, a draft included]
        #[arg(long, value_name = "NUMBER")]
        to: Option<usize>,
    },
    /// 比对各格式的数字 compares the numbers of every form with the canonical document
    #[command(after_help = "例 examples:\n  zhoubao issue diff-formats 2023-05\n  \
        zhoubao issue diff-formats 2023-05 --from issue/")]
    DiffFormats {
        /// The issue: its id, or year and number.
        issue: String,
        /// 目录 compares the files of this folder, as `compose --out` writes them, instead of composing anew
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// 作废 voids an issue; its number stays visible
    #[command(
        after_help = "例 example:\n  zhoubao issue void 2023-05 --reason 重复 --by u200 --yes"
    )]
    Void {
        /// The issue.
        issue: String,
        /// 原因 why
        #[arg(long)]
        reason: String,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
    /// 期初数 records the year-to-date figures of a hall that starts in the middle of a year
    #[command(
        after_help = "例 example:\n  zhoubao issue opening --through 2023-02-05 --consulted 671 --accepted 946 \
        --issued 828 --transferred 1841 --last-number 4 --last-running-number 420 --by u100"
    )]
    Opening {
        /// 截至 last day that they cover
        #[arg(long, value_name = "DATE")]
        through: Date,
        /// 咨询累计
        #[arg(long, default_value_t = 0)]
        consulted: i64,
        /// 受理累计
        #[arg(long, default_value_t = 0)]
        accepted: i64,
        /// 颁发累计
        #[arg(long, default_value_t = 0)]
        issued: i64,
        /// 流转累计
        #[arg(long, default_value_t = 0)]
        transferred: i64,
        /// 上一期年内期号 number of the year's last issue
        #[arg(long, default_value_t = 0)]
        last_number: u32,
        /// 上一期总期号 running number of the last issue
        #[arg(long, default_value_t = 0)]
        last_running_number: u32,
        /// Who decides.
        #[command(flatten)]
        decide: DecideArgs,
    },
}
