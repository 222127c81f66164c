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
    (
        $($name:ident = $text:literal, $title:literal,
            $cause_zh:literal / $cause:literal,
            $fix_zh:literal / $fix:literal,
            $example:literal;)+
    ) => {
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
                match self { $(Self::$name => concat!($cause_zh, " ", $cause)),+ }
            }

            /// What to do.
            #[must_use]
            pub fn fix(self) -> &'static str {
                match self { $(Self::$name => concat!($fix_zh, " ", $fix)),+ }
            }

            /// What to do, for the pages, which speak Chinese only.
            #[must_use]
            pub fn fix_zh(self) -> &'static str {
                match self { $(Self::$name => $fix_zh),+ }
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
        "事件所写大厅不是本日志的大厅，未保存。" / "The event names a hall that is not the one of this journal. Nothing is stored.",
        "把事件送到它自己的大厅，或更正主题中的 `hall.<code>`。" / "Send the event to its own hall, or correct `hall.<code>` in its subject.",
        "ce-source: hall.440000.terminal.w01 sent to hall 510000";
    UnknownReference = "E.101", "未知窗口、部门或事项 unknown window, department or matter",
        "事件所写编号在本厅设置中没有。已保存并存疑，不计数。" / "The event names an id that the hall's set-up does not have. It is stored and flagged, and counts 0.",
        "用 `zhoubao setup` 补录该项后放行；或撤销该事件。" / "Add the entry with `zhoubao setup`, then release the event; or void it.",
        "accepted for department `d99`, which was never set up";
    Malformed = "E.102", "格式错误 malformed event",
        "缺少必填项，或 JSON 无法读取，或取值不可能（如2月30日）。入口处拒收，不保存；已在日志中的予以隔离。" / "A required attribute or field is missing, the JSON cannot be read, or a value is impossible (30 February). At the edge it is refused and nothing is stored; in the journal it is quarantined.",
        "更正所指字段，用原号重新发送。" / "Correct the named field and send again with the same number.",
        "ce-time: 2023-02-30T09:00:00+08:00";
    IllegalTransition = "E.103", "办件流程不符 the case cannot do this",
        "办件未受理即颁发或流转，或重复受理、重复颁发。已保存并存疑，不计数；两条之中位次在前的计数。" / "颁发 or 流转 for a case that was never accepted, a second 受理 of one case, or a second 颁发. Stored and flagged, counts 0; of two, the lower position counts.",
        "核对办件号。确已发生的，由有权限的人说明原因后放行；否则撤销。" / "Check the case number. If it happened, let somebody with the right release it with a reason; otherwise void it.",
        "颁发 of case 2023-0001, which no window accepted";
    Fork = "E.104", "同号不同内容 one number, two contents",
        "同一终端的同一编号有两种内容：两台设备共用一个身份，或台账被旧副本恢复。后到的予以隔离。" / "A terminal's number was used twice with other content: two devices share one identity, or a ledger was restored. The second is quarantined.",
        "找出另一台设备，停用后重新登记；再放行或驳回被隔离的事件。" / "Find the second device, take it out of service and enrol it anew; then release or reject the quarantined event.",
        "terminal.w03#17 with hash 3f… and again with hash 9a…";
    FutureTime = "E.105", "时间在未来 time in the future",
        "事件发生时间比日志收到的时间晚两分钟以上：终端时钟不准。已保存并存疑，不计数。" / "The event says it happened more than two minutes after the journal took it: the clock of the terminal is wrong. Stored and flagged, counts 0.",
        "校准时钟，再更正事件时间。" / "Set the clock, then correct the time of the event.",
        "occurred 10:12, recorded 10:02";
    BackDated = "E.106", "补录超期 back-dated beyond the limit",
        "事后过久才补录而录入人无补录权限，或事件属于期初数已包含的日期。已保存并存疑，不计数。" / "The event was typed in long after it happened, by somebody without the right of late entry, or it is about a day that the opening figures already cover. Stored and flagged, counts 0.",
        "请有补录权限（`late-entry`）的人放行。" / "Let somebody with the right `late-entry` release it.",
        "occurred on Monday, typed in on Friday";
    SequenceGap = "E.107", "终端序号断档 gap in a terminal's numbers",
        "收到的编号不相接：该终端较早的事件还没有到。暂存，等前面的到齐。" / "A number beyond the next one arrived: earlier events of the terminal are missing. Held until they come.",
        "让终端联网，补发尚存的事件；见 `zhoubao doctor`。" / "Connect the terminal so that it sends what it still has; see `zhoubao doctor`.",
        "terminal.w03#19 after #17";
    BrokenChain = "E.108", "哈希链不接 previous hash does not match",
        "事件所写的前一哈希不是前一事件的哈希。予以隔离。" / "The event's previous hash is not the hash of the event before it. Quarantined.",
        "把终端台账与日志对照，说明原因后放行或驳回。" / "Compare the terminal's ledger with the journal; release or reject the event with a reason.",
        "terminal.w03#18 names another #17";
    UnknownTerminal = "E.109", "未知终端 unknown terminal",
        "终端未在本厅设置中，或已停用。予以隔离。" / "The terminal is not in the hall's set-up, or out of service. Quarantined.",
        "登记该终端及其窗口，然后放行事件。" / "Set the terminal up with its window, then release the event.",
        "terminal.w77, never set up";
    NotAuthorised = "E.110", "该日未获授权 department not authorised on that day",
        "受理当日该部门未获授权，或授权不含该事项。已保存并存疑，不计数。" / "The department was not authorised (or the matter not included) on the day of the acceptance. Stored and flagged, counts 0.",
        "核对日期和授权登记；更正该事件，或放行。" / "Check the day and the authorization register; correct the event or release it.",
        "withdrawn from 8 February, accepted on 8 February";
    NoRight = "E.111", "无此权限 the person lacks the right",
        "事件所写的人无此权限。命令被拒绝；已记录的事实存疑。" / "The person named in the event may not do this. A command is refused; a recorded fact is flagged.",
        "请有权限的人办理，或在设置中授予权限。" / "Let somebody with the right do it, or grant the right by set-up.",
        "a clerk corrects another window's event of last week";
    NotFound = "E.112", "原事件不存在 the named event is not there",
        "更正、撤销或放行所指的事件不在日志中，或不能更改。" / "A correction, voiding or release names an event that is not in the journal or cannot be amended.",
        "核对终端和编号，例如 terminal.w01#17。" / "Check stream and number, such as terminal.w01#17.",
        "更正 of terminal.w01#9999";
    LedgerBehind = "E.113", "终端台账落后于日志 the journal has more of the terminal than its own ledger",
        "终端台账由旧副本恢复，或有别的设备冒用其名。终端继续记录，但不发送。" / "The terminal's ledger was restored from an old copy, or another device writes under its name. The terminal records on, and sends nothing.",
        "停用该终端，另立名称重新登记；此后所记录的在 `zhoubao terminal export` 中。" / "Take the terminal out of service and enrol it under a new name; what it recorded since is in `zhoubao terminal export`.",
        "the journal has w03 up to 4711, the ledger up to 4650";
    OutOfRange = "E.114", "数值超出范围 amount out of range",
        "咨询人次为0或超过9999，或期初数不可能，或期刊日期早于数据期结束。入口处拒收，不保存；已在日志中的予以隔离。" / "A consultation of 0 people or of more than 9,999, opening figures that cannot be, or an issue dated before its period ends. At the edge it is refused and nothing is stored; in the journal it is quarantined.",
        "填写实际接待人次，至少为1；或更正数字、日期。" / "Enter the number of people advised, at least 1; correct the figures or the date.",
        "咨询 0 人次";
    BadSignature = "E.115", "签名缺失或不符 signature missing or wrong",
        "该终端有密钥，而事件没有其签名覆盖：本条未签，日志中紧随其后的同一终端事件也未签。予以隔离；等待该编号的真实事件。" / "The terminal has a key, and the event is not covered by a signature of it: neither it nor, directly after it in the journal, a later event of its line is signed. Quarantined; the line waits for the true event of this number.",
        "有人冒用终端之名，或设备上的密钥不是登记的那一把：把 `zhoubao setup list key` 的指纹与设备上 `zhoubao terminal enroll <terminal>` 的指纹对照。" / "Somebody writes under the terminal's name, or the key on the device is not the one in the register: compare the fingerprint of `zhoubao setup list key` with that of `zhoubao terminal enroll <terminal>` on the device.",
        "terminal.w03#18, stored without a signature";
    KeyRevoked = "E.116", "密钥已吊销 signed with a revoked key",
        "签名所用密钥已吊销，或被替换而没有前一密钥担保。予以隔离。" / "The event is signed with a key of the terminal that was revoked, or replaced without being vouched for by the key before it. Quarantined.",
        "设备被盗的，保持驳回。否则重新登记设备：`zhoubao terminal enroll`。" / "If the device was stolen, leave it rejected. Else enrol the device anew: `zhoubao terminal enroll`.",
        "terminal.w03#19, signed after w03 was reported stolen";
    ReceiptKey = "E.117", "回执密钥不符 receipt signed by another key",
        "入账回执的签名密钥不是终端所信任的那一把（首次回执的密钥，或另行告知的密钥）。不采信；记录和发送照常。" / "What says that the terminal's events are counted is not signed by the key that the terminal trusts: the key of its first receipt, or the one it was told. It is not believed; recording and sending go on.",
        "大厅换了回执密钥的，告知设备：`zhoubao terminal trust <terminal> <key>`；该密钥由大厅的 `zhoubao doctor` 显示。否则是有人伪造回执。" / "If the hall's receipt key was changed, tell the device: `zhoubao terminal trust <terminal> <key>`; `zhoubao doctor` of the hall shows the key. Else somebody forges receipts.",
        "the projector moved to another machine without its receipts.key";
    KeyExpired = "W.118", "密钥到期 key due for renewal",
        "终端密钥的使用期已过，或30天内到期。所签事件照常计数。" / "The last day on which a terminal's key is meant to be used has passed, or comes within 30 days. What it signs counts on.",
        "在设备上：`zhoubao terminal rekey <terminal> > key.json`；在机关：`zhoubao setup apply key.json`；再在设备上：`zhoubao terminal rekey <terminal> --approved`。" / "On the device: `zhoubao terminal rekey <terminal> > key.json`; in the office: `zhoubao setup apply key.json`; then on the device: `zhoubao terminal rekey <terminal> --approved`.",
        "key of w03, valid through 31 January, today is 2 February";
    TrainingHall = "E.119", "培训与正式不相通 training and real halls do not mix",
        "培训大厅（代码以9开头）的文件夹、台账、副本或事件被带到正式大厅，或反之。不写入；已在日志中的予以隔离。" / "A folder, ledger, copy or event of a training hall (its code begins with 9) was brought to a real one, or the other way round. Nothing is written; what lies in the journal all the same is quarantined.",
        "各厅用各自的代码和文件夹。培训中记录的留在培训大厅。" / "Work in each hall under its own code and in its own folder. What was recorded in training stays there.",
        "the ledger of w01 in training hall 951000, and --hall 510000";
    NoReason = "E.120", "缺少原因 no reason given",
        "更正、撤销、退回、放行都须说明原因。" / "A correction, voiding, return or release needs a reason.",
        "用几个字写明原因。" / "Give the reason in a few words.",
        "撤销 with an empty reason";
    TooLarge = "E.121", "内容过大 too large",
        "事件超过日志的上限（32 KB），或稿件超过 24 KB。未保存。" / "The event is larger than the journal takes (32 KB), or a submission longer than 24 KB. Nothing is stored.",
        "缩短正文；图片和扫描件作为附件。" / "Shorten the text; put pictures and scans into attachments.",
        "a submission of 40 KB";
    PersonalData = "E.122", "稿件含个人信息 personal data in a submission",
        "稿件含有校验码正确的18位身份证号，或手机号码。日志不删除任何内容，所以不收；此前已收的，所在期不能签发。" / "A submission has an 18-digit identity number with the right check digit, or a mobile number. The journal deletes nothing, so that it is not filed; one that was filed before keeps its issue from being signed.",
        "去掉号码后重新报送；已报送的，用原编号重新报送替换。" / "Leave the number out and file the text again; what is filed already is replaced by filing it again under its own id.",
        "138******00 in the news of a department";
    Attachment = "E.123", "附件不能接收 attachment not taken",
        "附件不是 PNG、JPEG、PDF、DOCX、XLSX、OFD，已损坏，解开后过大，或多于8个。未保存。" / "An attachment is no PNG, JPEG, PDF, DOCX, XLSX or OFD, is broken, is larger than it looks when it is unpacked, or there are more than 8. Nothing is stored.",
        "用原来的程序打开后另存，或转成 PDF，再附上。" / "Open it with its own program and save it anew, or make a PDF of it; then attach that.",
        "a photograph whose transfer was cut off";
    UnknownKind = "E.130", "未知事件类型 kind not understood yet",
        "事件类型或某一取值比本程序新。暂存，不跳过。" / "The event's type or one of its enumerated values is newer than this program. Held, not skipped.",
        "升级程序并重建，即可读入。" / "Update the program and rebuild: the event is then read.",
        "ce-type: cn.zhoubao.Accepted.v2";
    ClockUnmeasured = "E.131", "时钟未核对 clock not measured",
        "设备开机后还没有与日志联系过就记录了这一条，而日志收到的时间与时钟所示相差30秒以上：日期是否正确无人知道。已保存并存疑，不计数。同一次开机内再联系上时，设备自行更正时间，随即计数。" / "The device had no contact with the journal since it was switched on when it wrote this down, and the journal took it more than 30 seconds before or after the time that the clock said: nobody knows whether the day is right. Stored and flagged, counts 0. At its next contact in the same boot the device corrects the time by itself, and it counts.",
        "没有自动更正的，向窗口问明时间：时间正确的放行，不正确的更正时间。" / "If no correction came, ask at the window when it was: release the event if its time is right, else correct the time.",
        "switched on without a network, clock says Friday, sent on Monday";
    ClockSkew = "W.130", "时钟偏差 clock skew",
        "终端的时钟，或运行 `zhoubao doctor` 的机器的时钟，与日志的时钟相差30秒以上。事件照常计数。" / "The clock of a terminal, or of the machine that `zhoubao doctor` runs on, is off by more than 30 seconds from that of the journal. The event counts.",
        "校准时钟，最好用时间服务器；记到错误日期的，用更正改正。" / "Set the clock, best by a time server; what was recorded for a wrong day is put right by a correction.",
        "offset 47 s";
    UnknownCaseAllowed = "W.131", "期初前受理 case unknown, counted",
        "本年度从期初数开始，所颁发或流转的办件不在记录中：它在本厅使用本系统之前受理。照常计数。" / "颁发 or 流转 for a case that is not in the record, in a year that began with opening figures: it was accepted before the hall used this system. Counted.",
        "确属旧件的，无须处理。" / "Nothing, if the case is an old one.",
        "颁发 in March of a case accepted in January, opening figures through February";
    TerminalBehind = "W.132", "终端久无消息 terminal behind",
        "在用的终端两个工作日没有消息，或其台账有事件超过十分钟未发出。" / "A terminal in service that has sent before has sent nothing for two working days, or its ledger has held events for more than ten minutes that were not sent.",
        "查看设备：是否开机、联网，`zhoubao terminal status <terminal>` 怎么说。所记录的都在其磁盘上。不再使用的，予以停用。" / "Look at the device: is it on and in the network, and what does `zhoubao terminal status <terminal>` say there? What it recorded is on its disk. If it is not used any more, take it out of service.",
        "w03, last heard on Friday; today is Wednesday";
    DayTallyDiffers = "W.140", "日结数与系统不符 day tally differs",
        "窗口日结时的合计与现在的计数不同（补录、更正、存疑）。" / "The tally that the window closed its day with is not the one that counts now (late entries, corrections, flags).",
        "把窗口当日清单与 `zhoubao stats --by window` 对照。" / "Compare the window's list of the day with `zhoubao stats --by window`.",
        "日结 受理 5, counted 4";
    FinishedExceedsAccepted = "W.204", "办结多于受理 more finished than accepted",
        "导入数据中办结多于受理：含上期结转。合法，照导入数刊印。" / "Imported figures finish more cases than they accept: cases of earlier periods carry over (含上期结转). Legal, and printed as imported.",
        "有结转的无须处理；否则与来源核对。" / "Nothing, if cases carry over; else compare with the source.",
        "行政许可 受理 53316, 办结 54071";
    Outlier = "W.205", "与近期相差较大 far from the issues before",
        "本期某一数据与本系列最近至多12期相差较大：与中位数之差超过其一半、超过10，并超过通常离差的五倍。照计数刊印。" / "A printed figure of the period is far from those of the last up to 12 issues of the series: from their median by more than half of it, by more than 10 and by more than five times the usual distance. It is printed as counted.",
        "用 `zhoubao stats --by window` 核对各窗口清单；数据无误的，说明当周有何不同。" / "Compare the windows' lists with `zhoubao stats --by window`; if the figure is right, say what was different that week.",
        "咨询 459 after 142, 188, 121 and 189";
    NotLoggedIn = "E.150", "未登录 nobody is logged in",
        "设备的本机端口只为已登录的人记录。登录已失效（30分钟未记录、满10小时、换人、换密码），或尚未登录。未记录。" / "The device records over its local port for a clerk who has logged in. The login has ended (30 minutes without recording, 10 hours, another clerk, a new PIN), or there was none. Nothing is recorded.",
        "用工号和密码登录，再发送同一命令。" / "Log in with work number and PIN, then send the same command again.",
        "Authorization: Bearer with a token of yesterday";
    WrongPin = "E.151", "工号或密码不对 wrong work number or PIN",
        "工号与密码在本设备上（或工号与口令在页面上）不相符。每错一次等待时间加倍，最长15分钟；等待期间不作核对。" / "Work number and PIN do not belong together on this device, or work number and password on the pages. After each wrong one the person has to wait twice as long, up to 15 minutes; until then none is looked at.",
        "按提示等待后再试；忘记设备密码的用 `zhoubao terminal clerk add` 重设，忘记页面口令的用 `zhoubao account link` 的链接重设。" / "Wait as long as the message says and try again; a PIN that is forgotten is set anew with `zhoubao terminal clerk add`, a password with a link of `zhoubao account link`.",
        "the fifth wrong PIN of u100: wait 16 s";
    WeakPin = "E.152", "密码过于简单 PIN too easily guessed",
        "密码须为6至32位数字，至少四个不同数字，不得是123456一类的顺序数，也不得是工号。未设置。" / "A PIN has 6 to 32 digits, at least four different ones, and is neither a row like 123456 nor the work number. It is not set.",
        "另选一个。" / "Choose another one.",
        "123456";
    ForeignPage = "E.153", "他处网页的请求 request of another site's page",
        "发往本机端口的请求写的是别的主机，或来自浏览器中别的网站的页面。未执行。" / "A request to the agent's local port names another host than this device, or comes from a page of another site in the browser. Nothing is done.",
        "用地址访问该端口，例如 http://127.0.0.1:7800，并且只从本设备自己的页面访问。" / "Call the port by its address, such as http://127.0.0.1:7800, and from the device's own pages only.",
        "Origin: http://example.com";
    WrongOneTimeCode = "E.154", "动态码不对 wrong one-time code",
        "此人已绑定动态码，而签发没有动态码，或动态码不对，或已经用过：每个只用一次。未签发。每错一次等待时间加倍，最长15分钟。" / "The person has set up a device for one-time codes, and the sign-off came without a code, with a wrong one, or with one that was taken before: each is taken once. Nothing is signed. After each wrong one the person has to wait twice as long, up to 15 minutes.",
        "等设备显示下一个动态码（30秒）再输入；总是不对的，校准设备时钟。设备遗失的：`zhoubao account totp USER --remove`。" / "Wait for the next code of the device (30 seconds) and enter it; if no code is ever right, set the device's clock. A lost device: `zhoubao account totp USER --remove`.",
        "the code of the sign-off before, entered again";
    NoDevice = "E.155", "未绑定动态码 no device for one-time codes",
        "本厅设置 `totp` 为 `required`：签发须用本人设备的动态码，而此人尚未绑定。未签发。" / "The hall's setting `totp` is `required`: whoever signs off does so with a one-time code of a device of his own, and this person has set up none. Nothing is signed.",
        "登录页面，打开“本人”，绑定一台设备，即动态码应用（RFC 6238）。" / "Log in to the pages, open 本人, and set up a device, an app for one-time codes (RFC 6238).",
        "the new leader signs for the first time";
    ProviderRefused = "E.156", "统一身份认证未通过 not logged in at the identity provider",
        "统一身份认证（`oidc_issuer`）没有让人登录，或答复的不是本浏览器发起的登录，或超过了十分钟，或其自述与设置不符。无人登录。或者由它登录的人在签发、绑定设备前两分钟内没有在那里重新登录。" / "The hall's identity provider (`oidc_issuer`) let nobody in, sent an answer to a login that this browser did not begin or that took longer than ten minutes, or says something of itself that does not fit the settings. Nobody is logged in. Or somebody whom it let in signs off, or binds a device, without having logged in there anew in the last two minutes.",
        "从登录页重新开始。谁都不能登录的，由管理员把 `oidc_issuer`、`oidc_client`、`oidc_secret`、`oidc_claim` 与认证方为本厅登记的内容核对；其间可用本系统的口令登录。" / "Begin again on the login page. If nobody can log in, the administrator compares `oidc_issuer`, `oidc_client`, `oidc_secret` and `oidc_claim` with what the provider has for this hall; meanwhile passwords of this system let people in.",
        "the login page was left open over lunch";
    UntracedNumber = "W.310", "正文数字无来源 number that nothing vouches for",
        "稿件中有部门自报的数字。照报送刊印，不与任何统计数据绑定。" / "News carry numbers of the department's own (部门自报). They are printed as submitted and bound to no figure.",
        "绑定该数字，或作为部门自报接受。" / "Bind the number, or accept it as the department's own.",
        "累计已注册产废单位 22171 家";
    TypedNumberDiffers = "W.311", "手填数字与统计不符 typed number differs from the counted one",
        "稿件写到一项统计数据，所给数字与冻结的不同。" / "News name a counted figure and give another number than the frozen one.",
        "换成绑定的数字，或说明原因退回稿件。" / "Put the bound figure in place of the typed one, or return the news with a reason.",
        "typed 95 where 94 is counted";
    NearDuplicate = "W.312", "稿件雷同 near-duplicate news",
        "稿件与本期或往期的另一篇90%相同：两篇各自的连续四字中，十有其九两篇都有。" / "News are 90 % alike to others of this issue or of an earlier one: of the runs of four characters that either text has, both have nine in ten.",
        "说明原因退回；确需再刊的，予以接受。" / "Return the news with a reason, or accept them if they are meant to be printed again.",
        "稿件 s17 与 2023年第3期 稿件 s9 相似 97%";
    DatedOutside = "W.313", "稿件日期在数据期外 news dated outside the period",
        "稿件写到数据期以外的日期。迟到的稿件允许采用。" / "News tell of a day outside the issue's period. Late news are allowed.",
        "稿件确属本期的，无须处理。" / "Nothing, if the news are meant for this issue.",
        "2 February in the issue of 6–10 February";
    ImportedRate = "W.314", "照印导入比率 imported rate printed as imported",
        "导入表中的比率照原样刊印。其分子分母没有导入，无法重算。此为说明，无须接受。" / "A rate of an imported table is printed as it came. It cannot be computed anew, because what it is made of was not imported. A note: it needs no acceptance.",
        "无须处理；要重算的，导入分子和分母，由模板相除。" / "Nothing; to have it computed, import numerator and denominator and let the template divide.",
        "按时办结率 99.8%";
    Schedule = "E.210", "工作日历有误 wrong calendar file",
        "日历中有别的年份的日期，或某日重复，或调休上班日不在周末。未保存。" / "A calendar has a date of another year, a day twice, or a make-up day that is no weekend day. Nothing is stored.",
        "与国务院办公厅通知核对，更正文件。" / "Compare with the notice of the State Council office and correct the file.",
        "work: 2023-02-06, a Monday";
    NoSchedule = "E.211", "缺少该年工作日历 no calendar for the year",
        "所问的日期属于尚无日历的年份。系统从不推测。" / "A day of a year without a published calendar was asked for. It is never guessed.",
        "公布该年日历：`zhoubao setup calendar FILE`。" / "Publish the year's calendar: `zhoubao setup calendar FILE`.",
        "period proposed for January 2027";
    Template = "E.220", "模板有误 wrong template",
        "模板无法读取，或用了不存在的数据、栏目或取值。未保存。" / "A template cannot be read or names an unknown figure, section or value. Nothing is stored.",
        "更正文件中所指之处。" / "Correct the named place of the file.",
        "figure('handled','week')";
    Setup = "E.221", "设置有误 wrong set-up entry",
        "设置文件或条目不完整，或自相矛盾。未保存。" / "A set-up file or entry is incomplete or contradicts itself. Nothing is stored.",
        "更正所指字段。" / "Correct the named field.",
        "a terminal without a window";
    EmptySection = "E.301", "栏目缺稿 section without content",
        "模板要求的栏目没有内容可刊。" / "A section that the template requires has nothing to print.",
        "为该栏目采用稿件，或在模板中注明可缺。" / "Adopt a submission for it, or mark it optional in the template.",
        "二、 without platform figures";
    SumsDiffer = "E.302", "勾稽不平 sums do not come out",
        "一项数据与其各部分之和不同：读模型被改动或损坏。不成稿。" / "A figure and the sum of its parts differ: a read model was changed or is damaged. Nothing is composed.",
        "运行 `zhoubao rebuild --verify`：由日志重建读模型，并指出差异。" / "Run `zhoubao rebuild --verify`; it builds the read models anew from the journal and names the differences.",
        "受理 94 ≠ Σ windows 93";
    ChainBroken = "E.303", "累计断档 year-to-date does not continue",
        "累计 ≠ 上期累计 + 期间外 + 本周 ± 调整，或上期尚未冻结。" / "累计 ≠ 上期累计 + 期间外 + 本周 ± 调整, or the previous issue is not frozen.",
        "先冻结上期；上期已冻结的，运行 `zhoubao rebuild --verify`。" / "Freeze the previous issue first; if it is, run `zhoubao rebuild --verify`.",
        "1040 ≠ 946 + 0 + 93";
    HeadsDiffer = "E.304", "冻结与日志不符 the freeze does not match the journal",
        "冻结所写的某终端末号在日志该位次上没有，或冻结位次早于之前的冻结。" / "The freeze names a last number of a terminal that the journal does not have at that position, or a position before that of an earlier freeze.",
        "重新冻结。" / "Freeze again.",
        "w03: named 18, journal 17";
    CoverageHole = "E.305", "有窗口未日结（未报） days not closed",
        "有窗口在数据期内某个工作日没有日结，不能说「无变化」。" / "A window did not close a working day of the period, so 「无变化」 cannot be claimed.",
        "请该窗口日结；零报告也是报告。" / "Let the window close the day; a zero day is a report too.",
        "window w07, 9 February";
    PreviousMissing = "W.307", "上期缺失 previous issue missing",
        "累计既不承接上一期，也不承接期初数；或上期与本期之间有五个以上有业务的日子，像是漏了一期。" / "累计 continues neither a previous issue nor opening figures, or five or more days with business lie between the previous period and this one, as if an issue had been left out.",
        "先补开并冻结所缺的一期，或录入期初数；当时确未出刊的，予以说明。" / "Open and freeze the missing issue before this one, or enter opening figures; if the hall had no issue then, say so.",
        "the issue of 6–10 February after that of 16–20 January";
    SignedFiguresDiffer = "E.306", "签发数据已变 rebuilt figures differ from the signed ones",
        "重建算出的数据与签发的不同。保留签发的数据。" / "A rebuild computes other figures than those that were signed. The signed ones are kept.",
        "把两者都交审计人员；用 `zhoubao stats --as-of` 找出有差异的事件。" / "Show both to the auditor; find the event that differs with `zhoubao stats --as-of`.",
        "signed 94, rebuilt 95";
    NoFigure = "E.307", "没有这一数据 no such figure",
        "本期没有这一名称的数据：指标、时段或部分不存在。" / "The issue has no figure of that name: an unknown indicator, span or part.",
        "`zhoubao trace 2023-05` 列出一期的全部数据名称。" / "`zhoubao trace 2023-05` lists the figures of an issue with their names.",
        "zhoubao trace 2023-05#办结.本周";
    Altered = "E.320", "文件被改动 altered after it was made",
        "一期的文件、事件、数据、证明或签名，或某数据的证据包，与生成时不同。已指明位置。" / "A file, event, figure, proof or signature of an issue or of the bundle behind a figure is not what it was when it was made. The place is named.",
        "不要采信：向大厅重新索取。在大厅内：`zhoubao verify PATH --with-journal`、`zhoubao audit verify`。" / "Do not rely on it: get the issue or the bundle again from the hall. In the hall: `zhoubao verify PATH --with-journal`, `zhoubao audit verify`.",
        "2023-05.pdf: SHA-256 differs";
    UntrustedSeal = "E.321", "印章不可信 the seal is not to be trusted",
        "签名不是机关密钥所签，或该密钥不是所要求的，或要求有签名而没有。" / "The signature is not that of the office's key, that key is not the one demanded, or there is no signature where one is demanded.",
        "与机关公布的密钥核对（`zhoubao seal show`），并重新索取文件。" / "Compare the key with the one that the office has made known (`zhoubao seal show`), and get the file again.",
        "signed by another key than --key";
    TreeDiffers = "E.322", "日志与冻结时不同 the journal is not what was frozen",
        "日志的树根与冻结所记的不同，或某终端的链断了：已存的消息被改动、移除或挪动。" / "The tree over the journal has another root than a freeze names, or a terminal's chain is broken: a stored message was changed, removed or moved.",
        "`zhoubao audit verify` 指出位置；由存档恢复日志（`zhoubao restore`）。" / "`zhoubao audit verify` names the places; restore the journal from its archive (`zhoubao restore`).",
        "root of 2023-w06 over 5644 messages differs";
    MissingGlyph = "E.330", "缺字 no face has the character",
        "期刊中某字在所有字体中都没有字形，或是控制符、方向符、组合符，不能单独刊印。不生成 PDF 和 OFD，否则该处会是空框。" / "A character of the issue has no glyph in any face, or it is a control character, a mark of direction or a combining mark, which are not printed by themselves. No PDF and no OFD are made: a box would stand in its place.",
        "安装含有该字的字体，或把字体文件放入设置 `fonts` 的文件夹；或在正文中换用别的字。" / "Install a font that has the character, or put its file into the folder of the setting `fonts`; or replace the character in the text.",
        "𫟵 (U+2B7F5) in a person's name";
    MissingFont = "E.331", "缺字体 a font is missing",
        "版面需要小标宋、宋体、仿宋、黑体、楷体、西文和生僻字各一种字体，其中一种没有找到。不生成 PDF 和 OFD；TXT、HTML、JSON、CSV、DOCX 不需要字体。" / "The page needs a face for each of 小标宋, 宋体, 仿宋, 黑体, 楷体, Latin letters and rare characters, and none was found for one of them. No PDF and no OFD are made; TXT, HTML, JSON, CSV and DOCX need no font.",
        "安装字体：`apt-get install fonts-noto-cjk fonts-lxgw-wenkai fonts-liberation`；或用设置 `fonts` 指定本厅字体的文件夹。" / "Install fonts: `apt-get install fonts-noto-cjk fonts-lxgw-wenkai fonts-liberation`; or name the folder of the hall's own fonts with the setting `fonts`.",
        "no face for 楷体, looked for KaiTi, LXGW WenKai, …";
    GlyphSubstituted = "W.332", "换字体 character from another face",
        "该段字体没有此字，改用了版面上另一种字体，字形略有不同。" / "The face of the paragraph does not have the character; another face of the page does and was used, so the character looks a little different.",
        "看着可以的无须处理；否则为本厅字体配一种含有该字的。" / "Nothing, if the look is good enough; else give the hall's fonts a face that has the character.",
        "焜 (U+711C), which 仿宋_GB2312 does not have";
    PageRefused = "E.333", "排版失败 pages cannot be made",
        "排版程序拒绝该文稿，或排出的结果不符合 PDF/A-2a 和 PDF/UA-1。不生成 PDF 和 OFD。" / "The typesetter refused the document, or what it laid out does not meet PDF/A-2a and PDF/UA-1. No PDF and no OFD are made.",
        "查看提示所指的段落；原因不在此的，附上该期的标准 JSON 报告问题。" / "Look at the paragraph that the message names; with another cause, report it with the canonical JSON of the issue.",
        "a page with a turned text";
    FormsDiffer = "E.334", "各格式数字不一致 a form has other numbers than the issue",
        "某一格式中的数字与标准文稿不同，或文件无法读取：被编辑、损坏，或属于另一期。未写入。" / "A number in one form of the issue is not the one of the canonical document, or the file cannot be read: it was edited, damaged, or is of another issue. Nothing was written.",
        "不要发出该文件。用 `zhoubao compose` 重新生成；仍不同的，附上标准 JSON 报告问题。" / "Do not send the file out. Write the form anew with `zhoubao compose`; if it still differs, report it with the canonical JSON.",
        "2023-05.docx, paragraph 9: 459 in the issue, 495 in the file";
    NoInspection = "E.401", "未开展巡查 no inspection held",
        "「总体情况良好」须以巡查为据，只在开展过巡查时刊印。本期写明本周未开展巡查。" / "「总体情况良好」 is a claim: it is printed only where a round was held. The issue says 本周未开展巡查.",
        "开展巡查，或带着这句话签发。" / "Hold the round, or sign the issue with that sentence.",
        "no round between 6 and 10 February";
    IssueState = "E.500", "期刊状态不允许 the issue is not in a state for this",
        "该步骤与期刊状态不符：未开期、未冻结、未提交，或已签发。" / "The step does not follow from the issue's state: not open, not frozen, not submitted, or already signed.",
        "用 `zhoubao issue show` 查看状态，先办所缺的步骤。" / "See the state with `zhoubao issue show`; do the missing step first.",
        "sign off before submitting";
    FourEyes = "E.501", "起草与签发须为两人 drafting and signing off are two people",
        "签发人同时是开期、改期、采用、改稿、冻结或提交的人；或没有写明是谁。" / "The person who signs also opened the issue, set its period, adopted or edited news for it, froze or submitted it; or nobody is named.",
        "请另一位有签发权限（`sign`）的人用本人工号办理。" / "Let another person with the right `sign` do it, under his own work number.",
        "opened by u100, signed by u100";
    FindingsOpen = "E.502", "检查结果未处理 findings of the checks are not settled",
        "检查有未处理的结果。`E.` 开头的须改正；`W.` 开头的由具名的人说明原因后接受，E.401 和 E.305 在期刊自己写明时也可接受。内容有变即为新的结果。" / "A check found something in the issue. What begins with `E.` has to be put right; what begins with `W.` a named person accepts with a reason, and E.401 and E.305 likewise where the issue says so itself. What changes is a new finding.",
        "用 `zhoubao issue check ISSUE` 查看；有误的改正，其余接受：`zhoubao issue accept ISSUE W.310 --all --reason …`。" / "See them with `zhoubao issue check ISSUE`; put right what is wrong, and accept the rest: `zhoubao issue accept ISSUE W.310 --all --reason …`.",
        "W.310 稿件 s5-1（生态环境厅）: 部门自报数字";
    IssueChanged = "E.503", "该期已有变化 the issue has changed since",
        "发送命令的页面或程序看到的是另一命令之前的状态，或不是现在将要签发的文本。未执行。" / "The page or program that sent the command had seen the issue as it was before another command, or another text than the one that would be signed now. Nothing is done.",
        "重新打开页面，看清变化，仍要办理的再办一次。" / "Load the page again, see what is different, and repeat the command if it still is what you want.",
        "sign off what was read at 10:41, a submission was filed anew at 10:42";
    FilingClosed = "E.504", "已截稿 the section takes no more news for this issue",
        "该栏目本期的截稿时间已过，稿件未报送。" / "The section's last moment for this issue has passed. Nothing was filed.",
        "勾选「报送下一期」后再报送；确需用于本期的，报送后与编辑联系。" / "File it for the next issue (`late`); if it has to be in this one, file it and tell the editor, who may still adopt it.",
        "2023-05 closed at 12:00 on 10 February";
    NumberCollision = "E.601", "期号冲突 number or issue collision",
        "另一命令在先，或数据期与另一期重叠。" / "Another command was decided first, or the period overlaps another issue's.",
        "重新查看各期，再发命令。" / "Look at the issues again and repeat the command.",
        "two issues for 6–10 February";
    LevelSkipped = "W.601", "标题跳级 heading level skipped",
        "标题层次跳级：（二）之下直接是（1），中间没有1.（GB/T 9704：一、（一）1.（1））。" / "The numbering goes from one level to the one after the next: （1） stands directly under （二）, without 1. between (GB/T 9704: 一、（一）1.（1）).",
        "在模板中给该栏目用相应层次的编号，或作为本厅惯例接受。" / "Give the section of the template the numbering of its level, or accept it as the hall's custom.",
        "（二）窗口服务效能提升工作情况, then （1）";
    TermHint = "W.620", "用词提示 wording hint",
        "正文中有模板 `[terms]` 所列的用词。仅为提示：照报送刊印，程序从不改动。" / "A text has a word of the template's list `[terms]`. A hint: the text is printed as it was submitted, and never changed by the program.",
        "询问部门，或接受该用词；词表在模板中。" / "Ask the department, or accept the wording; the list is in the template.",
        "签定, suggested 签订";
    IssueOrder = "E.603", "须按期次顺序 issues go in order",
        "前一期尚未冻结或签发，或后一期已冻结并承接了本期数据。" / "An earlier issue is not yet frozen or signed, or a later one is already frozen and carries this one's figures.",
        "先办完前一期；要作废已冻结的一期，先作废其后各期。" / "Finish the earlier issue first; to void a frozen issue, void the later ones first.",
        "sign the 6th before the 5th";
    NumbersUnknown = "E.604", "期初数未录入 the last numbers are not entered",
        "本日志从未开过期，也没有期初数。可能是新的大厅，也可能是旧日志及全部副本丢失后重新开始的：那样已刊印的期号会重复。" / "No issue was ever opened in this journal and no opening figures are in it. It may be the journal of a new hall, or one that began anew after the old one was lost with all copies: then the numbers of the issues that were printed would be given twice.",
        "录入最近一期已刊印的合计和期号：`zhoubao issue opening`。从未出刊的大厅录入零。" / "Enter the sums and numbers of the last printed issue: `zhoubao issue opening`. A hall that never printed one enters zeros.",
        "the first issue of a new journal, while the 425th was printed last week";
    UnsafeBroker = "E.701", "消息服务器配置不安全 unsafe broker",
        "NATS 服务器可能丢失已确认的事件，或版本过旧，或流的设置有误。未写入。" / "The NATS server would lose acknowledged events, is too old, or its stream is set up wrongly. Nothing is written.",
        "把提示中的那一行写入服务器配置并重启。" / "Put the line named in the message into the server's configuration and restart it.",
        "jetstream { sync_interval: always }";
    JournalGap = "E.702", "日志缺号 gap in the journal",
        "从不删除的日志中缺少一个序号。投影停止。" / "A sequence is missing in a journal that never deletes. The projector stops.",
        "由存档恢复日志（`zhoubao restore`）；不要跳过。" / "Restore the journal from its archive (`zhoubao restore`); do not skip.",
        "4711 after 4709";
    OtherJournal = "E.703", "不是同一日志 another journal",
        "日志的化身不是读模型或存档所属的那一个；或原有的日志不见了，将要新建；或要恢复之处已有日志。" / "The journal's incarnation is not the one that read models or archive belong to; or a journal is gone where there was one, and would be made anew; or one is there where a copy is to be restored.",
        "连接正确的日志，或由它重建读模型：`zhoubao rebuild`。丢失之后：`zhoubao restore`。" / "Connect the right journal, or rebuild the read models from this one: `zhoubao rebuild`. After a loss: `zhoubao restore`.",
        "incarnation 7c… instead of 1f…";
    JournalWentBack = "E.704", "日志倒退 the journal went backwards",
        "日志的末尾在读模型检查点之前，或该处是另一事件：恢复了较旧的副本。" / "The journal ends before the read models' checkpoint, or holds another event there: an older copy was restored.",
        "恢复较新的日志，或由终端补回；然后重建。" / "Restore the newer journal or recover from the terminals; then rebuild.",
        "checkpoint 22705, journal ends at 20889";
    Unavailable = "E.705", "服务不可用，等待恢复 a server is down",
        "日志或数据库没有应答，或磁盘已满。没有丢失：工作等待，恢复后自行继续。" / "The journal or the store does not answer, or its disk is full. Nothing is lost: the work waits and goes on by itself.",
        "恢复服务器或腾出空间；见 `zhoubao doctor`。" / "Bring the server back or free space; see `zhoubao doctor`.",
        "connection refused";
    Fenced = "E.706", "已被另一投影进程接管 another projector took over",
        "一个大厅运行了两个投影进程；本进程已被隔开，没有再写入。" / "Two projectors ran for one hall; this one was fenced and wrote nothing more.",
        "本应由另一个运行的，无须处理。" / "Nothing, if the other one is meant to run.",
        "lease epoch 7, mine 6";
    ArchiveLags = "E.707", "存档落后 the archive is behind the journal",
        "另一磁盘上的日志副本不全，而无人在写，或写的进程十分钟没有进展，或还没有副本。所缺的会随日志磁盘一起丢失。" / "The copy of the journal on another disk does not hold what the journal holds, and nobody is writing it, or whoever does has not got on for ten minutes, or there is none yet. What is missing would be lost with the journal's disk.",
        "运行 `zhoubao archive`，或在设置 `archive` 后运行 `zhoubao serve`；查看其日志和磁盘空间。" / "Run `zhoubao archive`, or `zhoubao serve` with the setting `archive`; look at its log and at the free space of its disk.",
        "archive at 20889, journal at 22705";
    ArchiveDamaged = "E.708", "存档或备份已损坏 the archive or backup is damaged",
        "有文件缺失、截短或被改动：某一行不承接前一行，或与清单不符。没有由它写入任何内容。" / "A file is missing, cut short or altered: a line does not follow from the line before it, or the manifest says otherwise. Nothing was written from it.",
        "使用另一副本：备份，或存档自身的备份。把损坏的文件夹移开，让 `zhoubao archive` 由现有日志重新开始。" / "Use another copy: a backup, or the archive's own backup. Move the damaged folder aside and let `zhoubao archive` begin a new one from the living journal.",
        "a bit flipped in 00000000000000000001.ndjson";
    Configuration = "E.780", "配置错误 wrong configuration",
        "设置不存在，或取值不可能。" / "A setting is unknown or has an impossible value.",
        "提示中有最接近的设置名，据此更正。" / "The message names the nearest known setting; correct it.",
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
