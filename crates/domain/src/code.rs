//! The catalogue of stable codes: what went wrong, what it means, what to do. Once shipped a code keeps its meaning.

use std::fmt;

/// How heavy a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// `E.`: blocks a command, flags or quarantines a fact.
    Error,
    /// `W.`: needs a look, counts all the same.
    Warning,
}

macro_rules! codes {
    ($($name:ident = $text:literal, $title:literal, $cause:literal, $fix:literal, $example:literal;)+) => {
        /// A stable code such as `E.103`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $title] $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code as printed, stored and searched for.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The code of a text, if there is one.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }

            /// One line: what is wrong.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// Why it happens and what the product did.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause),+ }
            }

            /// What to do.
            #[must_use]
            pub fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix),+ }
            }

            /// An example.
            #[must_use]
            pub fn example(self) -> &'static str {
                match self { $(Self::$name => $example),+ }
            }
        }
    };
}

codes! {
    UnknownHall = "E.100", "未知大厅 unknown hall",
        "The event names a hall that is not the one of this journal. Nothing is stored.",
        "Send the event to its own hall, or correct `hall.<code>` in its subject.",
        "ce-source: hall.440000.terminal.w01 sent to hall 510000";
    UnknownReference = "E.101", "未知窗口、部门或事项 unknown window, department or matter",
        "The event names an id that the hall's set-up does not have. It is stored and flagged, and counts 0.",
        "Add the entry with `zhoubao setup`, then release the event; or void it.",
        "accepted for department `d99`, which was never set up";
    Malformed = "E.102", "格式错误 malformed event",
        "A required attribute or field is missing, the JSON cannot be read, or a value is impossible (30 February). At the edge it is refused and nothing is stored; in the journal it is quarantined.",
        "Correct the named field and send again with the same number.",
        "ce-time: 2023-02-30T09:00:00+08:00";
    IllegalTransition = "E.103", "办件流程不符 the case cannot do this",
        "颁发 or 流转 for a case that was never accepted, a second 受理 of one case, or a second 颁发. Stored and flagged, counts 0; of two, the lower position counts.",
        "Check the case number. If it happened, let somebody with the right release it with a reason; otherwise void it.",
        "颁发 of case 2023-0001, which no window accepted";
    Fork = "E.104", "同号不同内容 one number, two contents",
        "A terminal's number was used twice with other content: two devices share one identity, or a ledger was restored. The second is quarantined.",
        "Find the second device, take it out of service and enrol it anew; then release or reject the quarantined event.",
        "terminal.w03#17 with hash 3f… and again with hash 9a…";
    FutureTime = "E.105", "时间在未来 time in the future",
        "The event says it happened more than two minutes after the journal took it: the clock of the terminal is wrong. Stored and flagged, counts 0.",
        "Set the clock, then correct the time of the event.",
        "occurred 10:12, recorded 10:02";
    BackDated = "E.106", "补录超期 back-dated beyond the limit",
        "The event was typed in long after it happened, by somebody without the right of late entry, or it is about a day that the opening figures already cover. Stored and flagged, counts 0.",
        "Let somebody with the right `late-entry` release it.",
        "occurred on Monday, typed in on Friday";
    SequenceGap = "E.107", "终端序号断档 gap in a terminal's numbers",
        "A number beyond the next one arrived: earlier events of the terminal are missing. Held until they come.",
        "Connect the terminal so that it sends what it still has; see `zhoubao doctor`.",
        "terminal.w03#19 after #17";
    BrokenChain = "E.108", "哈希链不接 previous hash does not match",
        "The event's previous hash is not the hash of the event before it. Quarantined.",
        "Compare the terminal's ledger with the journal; release or reject the event with a reason.",
        "terminal.w03#18 names another #17";
    UnknownTerminal = "E.109", "未知终端 unknown terminal",
        "The terminal is not in the hall's set-up, or out of service. Quarantined.",
        "Set the terminal up with its window, then release the event.",
        "terminal.w77, never set up";
    NotAuthorised = "E.110", "该日未获授权 department not authorised on that day",
        "The department was not authorised (or the matter not included) on the day of the acceptance. Stored and flagged, counts 0.",
        "Check the day and the authorization register; correct the event or release it.",
        "withdrawn from 8 February, accepted on 8 February";
    NoRight = "E.111", "无此权限 the person lacks the right",
        "The person named in the event may not do this. A command is refused; a recorded fact is flagged.",
        "Let somebody with the right do it, or grant the right by set-up.",
        "a clerk corrects another window's event of last week";
    NotFound = "E.112", "原事件不存在 the named event is not there",
        "A correction, voiding or release names an event that is not in the journal or cannot be amended.",
        "Check stream and number, such as terminal.w01#17.",
        "更正 of terminal.w01#9999";
    LedgerBehind = "E.113", "终端台账落后于日志 the journal has more of the terminal than its own ledger",
        "The terminal's ledger was restored from an old copy, or another device writes under its name. The terminal records on, and sends nothing.",
        "Take the terminal out of service and enrol it under a new name; what it recorded since is in `zhoubao terminal export`.",
        "the journal has w03 up to 4711, the ledger up to 4650";
    OutOfRange = "E.114", "数值超出范围 amount out of range",
        "A consultation of 0 people or of more than 9,999, opening figures that cannot be, or an issue dated before its period ends. At the edge it is refused and nothing is stored; in the journal it is quarantined.",
        "Enter the number of people advised, at least 1; correct the figures or the date.",
        "咨询 0 人次";
    BadSignature = "E.115", "签名缺失或不符 signature missing or wrong",
        "The terminal has a key, and the event is not covered by a signature of it: neither it nor, directly after it in the journal, a later event of its line is signed. Quarantined; the line waits for the true event of this number.",
        "Somebody writes under the terminal's name, or the key on the device is not the one in the register: compare the fingerprint of `zhoubao setup list key` with that of `zhoubao terminal enroll <terminal>` on the device.",
        "terminal.w03#18, stored without a signature";
    KeyRevoked = "E.116", "密钥已吊销 signed with a revoked key",
        "The event is signed with a key of the terminal that was revoked, or replaced without being vouched for by the key before it. Quarantined.",
        "If the device was stolen, leave it rejected. Else enrol the device anew: `zhoubao terminal enroll`.",
        "terminal.w03#19, signed after w03 was reported stolen";
    ReceiptKey = "E.117", "回执密钥不符 receipt signed by another key",
        "What says that the terminal's events are counted is not signed by the key that the terminal trusts: the key of its first receipt, or the one it was told. It is not believed; recording and sending go on.",
        "If the hall's receipt key was changed, tell the device: `zhoubao terminal trust <terminal> <key>`; `zhoubao doctor` of the hall shows the key. Else somebody forges receipts.",
        "the projector moved to another machine without its receipts.key";
    KeyExpired = "W.118", "密钥到期 key due for renewal",
        "The last day on which a terminal's key is meant to be used has passed, or comes within 30 days. What it signs counts on.",
        "On the device: `zhoubao terminal rekey <terminal> > key.json`; in the office: `zhoubao setup apply key.json`; then on the device: `zhoubao terminal rekey <terminal> --approved`.",
        "key of w03, valid through 31 January, today is 2 February";
    TrainingHall = "E.119", "培训与正式不相通 training and real halls do not mix",
        "A folder, ledger, copy or event of a training hall (its code begins with 9) was brought to a real one, or the other way round. Nothing is written; what lies in the journal all the same is quarantined.",
        "Work in each hall under its own code and in its own folder. What was recorded in training stays there.",
        "the ledger of w01 in training hall 951000, and --hall 510000";
    NoReason = "E.120", "缺少原因 no reason given",
        "A correction, voiding, return or release needs a reason.",
        "Give the reason in a few words.",
        "撤销 with an empty reason";
    TooLarge = "E.121", "内容过大 too large",
        "The event is larger than the journal takes (32 KB), or a submission longer than 24 KB. Nothing is stored.",
        "Shorten the text; put pictures and scans into attachments.",
        "a submission of 40 KB";
    PersonalData = "E.122", "稿件含个人信息 personal data in a submission",
        "A submission has an 18-digit identity number with the right check digit, or a mobile number. The journal deletes nothing, so that it is not filed; one that was filed before keeps its issue from being signed.",
        "Leave the number out and file the text again; what is filed already is replaced by filing it again under its own id.",
        "138******00 in the news of a department";
    UnknownKind = "E.130", "未知事件类型 kind not understood yet",
        "The event's type or one of its enumerated values is newer than this program. Held, not skipped.",
        "Update the program and rebuild: the event is then read.",
        "ce-type: cn.zhoubao.Accepted.v2";
    ClockUnmeasured = "E.131", "时钟未核对 clock not measured",
        "The device had no contact with the journal since it was switched on when it wrote this down, and the journal took it more than 30 seconds before or after the time that the clock said: nobody knows whether the day is right. Stored and flagged, counts 0. At its next contact in the same boot the device corrects the time by itself, and it counts.",
        "If no correction came, ask at the window when it was: release the event if its time is right, else correct the time.",
        "switched on without a network, clock says Friday, sent on Monday";
    ClockSkew = "W.130", "时钟偏差 clock skew",
        "The clock of a terminal, or of the machine that `zhoubao doctor` runs on, is off by more than 30 seconds from that of the journal. The event counts.",
        "Set the clock, best by a time server; what was recorded for a wrong day is put right by a correction.",
        "offset 47 s";
    UnknownCaseAllowed = "W.131", "期初前受理 case unknown, counted",
        "颁发 or 流转 for a case that is not in the record, in a year that began with opening figures: it was accepted before the hall used this system. Counted.",
        "Nothing, if the case is an old one.",
        "颁发 in March of a case accepted in January, opening figures through February";
    TerminalBehind = "W.132", "终端久无消息 terminal behind",
        "A terminal in service that has sent before has sent nothing for two working days, or its ledger has held events for more than ten minutes that were not sent.",
        "Look at the device: is it on and in the network, and what does `zhoubao terminal status <terminal>` say there? What it recorded is on its disk. If it is not used any more, take it out of service.",
        "w03, last heard on Friday; today is Wednesday";
    DayTallyDiffers = "W.140", "日结数与系统不符 day tally differs",
        "The tally that the window closed its day with is not the one that counts now (late entries, corrections, flags).",
        "Compare the window's list of the day with `zhoubao stats --by window`.",
        "日结 受理 5, counted 4";
    FinishedExceedsAccepted = "W.204", "办结多于受理 more finished than accepted",
        "Imported figures finish more cases than they accept: cases of earlier periods carry over (含上期结转). Legal, and printed as imported.",
        "Nothing, if cases carry over; else compare with the source.",
        "行政许可 受理 53316, 办结 54071";
    Outlier = "W.205", "与近期相差较大 far from the issues before",
        "A printed figure of the period is far from those of the last up to 12 issues of the series: from their median by more than half of it, by more than 10 and by more than five times the usual distance. It is printed as counted.",
        "Compare the windows' lists with `zhoubao stats --by window`; if the figure is right, say what was different that week.",
        "咨询 459 after 142, 188, 121 and 189";
    NotLoggedIn = "E.150", "未登录 nobody is logged in",
        "The device records over its local port for a clerk who has logged in. The login has ended (30 minutes without recording, 10 hours, another clerk, a new PIN), or there was none. Nothing is recorded.",
        "Log in with work number and PIN, then send the same command again.",
        "Authorization: Bearer with a token of yesterday";
    WrongPin = "E.151", "工号或密码不对 wrong work number or PIN",
        "Work number and PIN do not belong together on this device, or work number and password on the pages. After each wrong one the person has to wait twice as long, up to 15 minutes; until then none is looked at.",
        "Wait as long as the message says and try again; a PIN that is forgotten is set anew with `zhoubao terminal clerk add`, a password with a link of `zhoubao account link`.",
        "the fifth wrong PIN of u100: wait 16 s";
    WeakPin = "E.152", "密码过于简单 PIN too easily guessed",
        "A PIN has 6 to 32 digits, at least four different ones, and is neither a row like 123456 nor the work number. It is not set.",
        "Choose another one.",
        "123456";
    ForeignPage = "E.153", "他处网页的请求 request of another site's page",
        "A request to the agent's local port names another host than this device, or comes from a page of another site in the browser. Nothing is done.",
        "Call the port by its address, such as http://127.0.0.1:7800, and from the device's own pages only.",
        "Origin: http://example.com";
    WrongOneTimeCode = "E.154", "动态码不对 wrong one-time code",
        "The person has set up a device for one-time codes, and the sign-off came without a code, with a wrong one, or with one that was taken before: each is taken once. Nothing is signed. After each wrong one the person has to wait twice as long, up to 15 minutes.",
        "Wait for the next code of the device (30 seconds) and enter it; if no code is ever right, set the device's clock. A lost device: `zhoubao account totp USER --remove`.",
        "the code of the sign-off before, entered again";
    NoDevice = "E.155", "未绑定动态码 no device for one-time codes",
        "The hall's setting `totp` is `required`: whoever signs off does so with a one-time code of a device of his own, and this person has set up none. Nothing is signed.",
        "Log in to the pages, open 本人, and set up a device, an app for one-time codes (RFC 6238).",
        "the new leader signs for the first time";
    ProviderRefused = "E.156", "统一身份认证未通过 not logged in at the identity provider",
        "The hall's identity provider (`oidc_issuer`) let nobody in, sent an answer to a login that this browser did not begin or that took longer than ten minutes, or says something of itself that does not fit the settings. Nobody is logged in. Or somebody whom it let in signs off, or binds a device, without having logged in there anew in the last two minutes.",
        "Begin again on the login page. If nobody can log in, the administrator compares `oidc_issuer`, `oidc_client`, `oidc_secret` and `oidc_claim` with what the provider has for this hall; meanwhile passwords of this system let people in.",
        "the login page was left open over lunch";
    UntracedNumber = "W.310", "正文数字无来源 number that nothing vouches for",
        "News carry numbers of the department's own (部门自报). They are printed as submitted and bound to no figure.",
        "Bind the number, or accept it as the department's own.",
        "累计已注册产废单位 22171 家";
    TypedNumberDiffers = "W.311", "手填数字与统计不符 typed number differs from the counted one",
        "News name a counted figure and give another number than the frozen one.",
        "Put the bound figure in place of the typed one, or return the news with a reason.",
        "typed 95 where 94 is counted";
    NearDuplicate = "W.312", "稿件雷同 near-duplicate news",
        "News are 90 % alike to others of this issue or of an earlier one: of the runs of four characters that either text has, both have nine in ten.",
        "Return the news with a reason, or accept them if they are meant to be printed again.",
        "稿件 s17 与 2023年第3期 稿件 s9 相似 97%";
    DatedOutside = "W.313", "稿件日期在数据期外 news dated outside the period",
        "News tell of a day outside the issue's period. Late news are allowed.",
        "Nothing, if the news are meant for this issue.",
        "2 February in the issue of 6–10 February";
    ImportedRate = "W.314", "照印导入比率 imported rate printed as imported",
        "A rate of an imported table is printed as it came. It cannot be computed anew, because what it is made of was not imported. A note: it needs no acceptance.",
        "Nothing; to have it computed, import numerator and denominator and let the template divide.",
        "按时办结率 99.8%";
    Schedule = "E.210", "工作日历有误 wrong calendar file",
        "A calendar has a date of another year, a day twice, or a make-up day that is no weekend day. Nothing is stored.",
        "Compare with the notice of the State Council office and correct the file.",
        "work: 2023-02-06, a Monday";
    NoSchedule = "E.211", "缺少该年工作日历 no calendar for the year",
        "A day of a year without a published calendar was asked for. It is never guessed.",
        "Publish the year's calendar: `zhoubao setup calendar FILE`.",
        "period proposed for January 2027";
    Template = "E.220", "模板有误 wrong template",
        "A template cannot be read or names an unknown figure, section or value. Nothing is stored.",
        "Correct the named place of the file.",
        "figure('handled','week')";
    Setup = "E.221", "设置有误 wrong set-up entry",
        "A set-up file or entry is incomplete or contradicts itself. Nothing is stored.",
        "Correct the named field.",
        "a terminal without a window";
    EmptySection = "E.301", "栏目缺稿 section without content",
        "A section that the template requires has nothing to print.",
        "Adopt a submission for it, or mark it optional in the template.",
        "二、 without platform figures";
    SumsDiffer = "E.302", "勾稽不平 sums do not come out",
        "A figure and the sum of its parts differ: a read model was changed or is damaged. Nothing is composed.",
        "Run `zhoubao rebuild --verify`; it builds the read models anew from the journal and names the differences.",
        "受理 94 ≠ Σ windows 93";
    ChainBroken = "E.303", "累计断档 year-to-date does not continue",
        "累计 ≠ 上期累计 + 期间外 + 本周 ± 调整, or the previous issue is not frozen.",
        "Freeze the previous issue first; if it is, run `zhoubao rebuild --verify`.",
        "1040 ≠ 946 + 0 + 93";
    HeadsDiffer = "E.304", "冻结与日志不符 the freeze does not match the journal",
        "The freeze names a last number of a terminal that the journal does not have at that position, or a position before that of an earlier freeze.",
        "Freeze again.",
        "w03: named 18, journal 17";
    CoverageHole = "E.305", "有窗口未日结（未报） days not closed",
        "A window did not close a working day of the period, so 「无变化」 cannot be claimed.",
        "Let the window close the day; a zero day is a report too.",
        "window w07, 9 February";
    PreviousMissing = "W.307", "上期缺失 previous issue missing",
        "累计 continues neither a previous issue nor opening figures, or five or more days with business lie between the previous period and this one, as if an issue had been left out.",
        "Open and freeze the missing issue before this one, or enter opening figures; if the hall had no issue then, say so.",
        "the issue of 6–10 February after that of 16–20 January";
    SignedFiguresDiffer = "E.306", "签发数据已变 rebuilt figures differ from the signed ones",
        "A rebuild computes other figures than those that were signed. The signed ones are kept.",
        "Show both to the auditor; find the event that differs with `zhoubao stats --as-of`.",
        "signed 94, rebuilt 95";
    NoFigure = "E.307", "没有这一数据 no such figure",
        "The issue has no figure of that name: an unknown indicator, span or part.",
        "`zhoubao trace 2023-05` lists the figures of an issue with their names.",
        "zhoubao trace 2023-05#办结.本周";
    Altered = "E.320", "文件被改动 altered after it was made",
        "A file, event, figure, proof or signature of an issue or of the bundle behind a figure is not what it was when it was made. The place is named.",
        "Do not rely on it: get the issue or the bundle again from the hall. In the hall: `zhoubao verify PATH --with-journal`, `zhoubao audit verify`.",
        "2023-05.pdf: SHA-256 differs";
    UntrustedSeal = "E.321", "印章不可信 the seal is not to be trusted",
        "The signature is not that of the office's key, that key is not the one demanded, or there is no signature where one is demanded.",
        "Compare the key with the one that the office has made known (`zhoubao seal show`), and get the file again.",
        "signed by another key than --key";
    TreeDiffers = "E.322", "日志与冻结时不同 the journal is not what was frozen",
        "The tree over the journal has another root than a freeze names, or a terminal's chain is broken: a stored message was changed, removed or moved.",
        "`zhoubao audit verify` names the places; restore the journal from its archive (`zhoubao restore`).",
        "root of 2023-w06 over 5644 messages differs";
    MissingGlyph = "E.330", "缺字 no face has the character",
        "A character of the issue has no glyph in any face, or it is a control character, a mark of direction or a combining mark, which are not printed by themselves. No PDF and no OFD are made: a box would stand in its place.",
        "Install a font that has the character, or put its file into the folder of the setting `fonts`; or replace the character in the text.",
        "𫟵 (U+2B7F5) in a person's name";
    MissingFont = "E.331", "缺字体 a font is missing",
        "The page needs a face for each of 小标宋, 宋体, 仿宋, 黑体, 楷体, Latin letters and rare characters, and none was found for one of them. No PDF and no OFD are made; TXT, HTML, JSON, CSV and DOCX need no font.",
        "Install fonts: `apt-get install fonts-noto-cjk fonts-lxgw-wenkai fonts-liberation`; or name the folder of the hall's own fonts with the setting `fonts`.",
        "no face for 楷体, looked for KaiTi, LXGW WenKai, …";
    GlyphSubstituted = "W.332", "换字体 character from another face",
        "The face of the paragraph does not have the character; another face of the page does and was used, so the character looks a little different.",
        "Nothing, if the look is good enough; else give the hall's fonts a face that has the character.",
        "焜 (U+711C), which 仿宋_GB2312 does not have";
    PageRefused = "E.333", "排版失败 pages cannot be made",
        "The typesetter refused the document, or what it laid out does not meet PDF/A-2a and PDF/UA-1. No PDF and no OFD are made.",
        "Look at the paragraph that the message names; with another cause, report it with the canonical JSON of the issue.",
        "a page with a turned text";
    FormsDiffer = "E.334", "各格式数字不一致 a form has other numbers than the issue",
        "A number in one form of the issue is not the one of the canonical document, or the file cannot be read: it was edited, damaged, or is of another issue. Nothing was written.",
        "Do not send the file out. Write the form anew with `zhoubao compose`; if it still differs, report it with the canonical JSON.",
        "2023-05.docx, paragraph 9: 459 in the issue, 495 in the file";
    NoInspection = "E.401", "未开展巡查 no inspection held",
        "「总体情况良好」 is a claim: it is printed only where a round was held. The issue says 本周未开展巡查.",
        "Hold the round, or sign the issue with that sentence.",
        "no round between 6 and 10 February";
    IssueState = "E.500", "期刊状态不允许 the issue is not in a state for this",
        "The step does not follow from the issue's state: not open, not frozen, not submitted, or already signed.",
        "See the state with `zhoubao issue show`; do the missing step first.",
        "sign off before submitting";
    FourEyes = "E.501", "起草与签发须为两人 drafting and signing off are two people",
        "The person who signs also opened the issue, set its period, adopted for it, froze or submitted it; or nobody is named.",
        "Let another person with the right `sign` do it, under his own work number.",
        "opened by u100, signed by u100";
    FindingsOpen = "E.502", "检查结果未处理 findings of the checks are not settled",
        "A check found something in the issue. What begins with `E.` has to be put right; what begins with `W.` a named person accepts with a reason, and E.401 and E.305 likewise where the issue says so itself. What changes is a new finding.",
        "See them with `zhoubao issue check ISSUE`; put right what is wrong, and accept the rest: `zhoubao issue accept ISSUE W.310 --all --reason …`.",
        "W.310 稿件 s5-1（生态环境厅）: 部门自报数字";
    IssueChanged = "E.503", "该期已有变化 the issue has changed since",
        "The page or program that sent the command had seen the issue as it was before another command, or another text than the one that would be signed now. Nothing is done.",
        "Load the page again, see what is different, and repeat the command if it still is what you want.",
        "sign off what was read at 10:41, a submission was filed anew at 10:42";
    NumberCollision = "E.601", "期号冲突 number or issue collision",
        "Another command was decided first, or the period overlaps another issue's.",
        "Look at the issues again and repeat the command.",
        "two issues for 6–10 February";
    LevelSkipped = "W.601", "标题跳级 heading level skipped",
        "The numbering goes from one level to the one after the next: （1） stands directly under （二）, without 1. between (GB/T 9704: 一、（一）1.（1）).",
        "Give the section of the template the numbering of its level, or accept it as the hall's custom.",
        "（二）窗口服务效能提升工作情况, then （1）";
    TermHint = "W.620", "用词提示 wording hint",
        "A text has a word of the template's list `[terms]`. A hint: the text is printed as it was submitted, and never changed by the program.",
        "Ask the department, or accept the wording; the list is in the template.",
        "签定, suggested 签订";
    IssueOrder = "E.603", "须按期次顺序 issues go in order",
        "An earlier issue is not yet frozen or signed, or a later one is already frozen and carries this one's figures.",
        "Finish the earlier issue first; to void a frozen issue, void the later ones first.",
        "sign the 6th before the 5th";
    NumbersUnknown = "E.604", "期初数未录入 the last numbers are not entered",
        "No issue was ever opened in this journal and no opening figures are in it. It may be the journal of a new hall, or one that began anew after the old one was lost with all copies: then the numbers of the issues that were printed would be given twice.",
        "Enter the sums and numbers of the last printed issue: `zhoubao issue opening`. A hall that never printed one enters zeros.",
        "the first issue of a new journal, while the 425th was printed last week";
    UnsafeBroker = "E.701", "消息服务器配置不安全 unsafe broker",
        "The NATS server would lose acknowledged events, is too old, or its stream is set up wrongly. Nothing is written.",
        "Put the line named in the message into the server's configuration and restart it.",
        "jetstream { sync_interval: always }";
    JournalGap = "E.702", "日志缺号 gap in the journal",
        "A sequence is missing in a journal that never deletes. The projector stops.",
        "Restore the journal from its archive (`zhoubao restore`); do not skip.",
        "4711 after 4709";
    OtherJournal = "E.703", "不是同一日志 another journal",
        "The journal's incarnation is not the one that read models or archive belong to; or a journal is gone where there was one, and would be made anew; or one is there where a copy is to be restored.",
        "Connect the right journal, or rebuild the read models from this one: `zhoubao rebuild`. After a loss: `zhoubao restore`.",
        "incarnation 7c… instead of 1f…";
    JournalWentBack = "E.704", "日志倒退 the journal went backwards",
        "The journal ends before the read models' checkpoint, or holds another event there: an older copy was restored.",
        "Restore the newer journal or recover from the terminals; then rebuild.",
        "checkpoint 22705, journal ends at 20889";
    Unavailable = "E.705", "服务不可用，等待恢复 a server is down",
        "The journal or the store does not answer, or its disk is full. Nothing is lost: the work waits and goes on by itself.",
        "Bring the server back or free space; see `zhoubao doctor`.",
        "connection refused";
    Fenced = "E.706", "已被另一投影进程接管 another projector took over",
        "Two projectors ran for one hall; this one was fenced and wrote nothing more.",
        "Nothing, if the other one is meant to run.",
        "lease epoch 7, mine 6";
    ArchiveLags = "E.707", "存档落后 the archive is behind the journal",
        "The copy of the journal on another disk does not hold what the journal holds, and nobody is writing it, or whoever does has not got on for ten minutes, or there is none yet. What is missing would be lost with the journal's disk.",
        "Run `zhoubao archive`, or `zhoubao serve` with the setting `archive`; look at its log and at the free space of its disk.",
        "archive at 20889, journal at 22705";
    ArchiveDamaged = "E.708", "存档或备份已损坏 the archive or backup is damaged",
        "A file is missing, cut short or altered: a line does not follow from the line before it, or the manifest says otherwise. Nothing was written from it.",
        "Use another copy: a backup, or the archive's own backup. Move the damaged folder aside and let `zhoubao archive` begin a new one from the living journal.",
        "a bit flipped in 00000000000000000001.ndjson";
    Configuration = "E.780", "配置错误 wrong configuration",
        "A setting is unknown or has an impossible value.",
        "The message names the nearest known setting; correct it.",
        "jurnal = \"nats://…\" — did you mean `journal`?";
}

impl Code {
    /// Whether the code blocks or only warns.
    #[must_use]
    pub fn weight(self) -> Weight {
        if self.text().starts_with('W') { Weight::Warning } else { Weight::Error }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
