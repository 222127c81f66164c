//! The Merkle tree over a journal: grown from where an earlier freeze left it.

use std::time::Duration;

use tokio::time::Instant;
use zhoubao_contract::Stored;
use zhoubao_contract::archive::leaf_line;
use zhoubao_contract::merkle::{Peaks, leaf};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Tree, TreeHash};
use zhoubao_domain::issue::IssueBook;

use crate::journal::{Journal, JournalError};

/// Messages asked for at once.
const PAGE: usize = 10_000;

/// Longest silence of a journal that is known to have more.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Reads the messages from `first` to `last`, every one once and in order.
///
/// # Errors
///
/// What the journal answers; E.702 where a message is missing; whatever `each` says.
pub async fn read<E: From<JournalError>>(
    journal: &dyn Journal,
    first: u64,
    last: u64,
    mut each: impl FnMut(Stored) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = first;
    if next > last {
        return Ok(());
    }
    let mut cursor = journal.open(next).await?;
    let mut deadline = Instant::now() + SILENCE_MAX;
    while next <= last {
        let max = usize::try_from(last - next + 1).unwrap_or(PAGE).min(PAGE);
        let page = cursor.next(max, Duration::from_secs(1)).await?;
        if page.is_empty() && Instant::now() >= deadline {
            let silent = format!("日志未给出第 {next} 条 the journal does not show message {next}");
            return Err(JournalError::Unavailable(silent.into()).into());
        }
        for stored in page {
            if stored.position > last {
                break;
            }
            if stored.position != next {
                let detail =
                    format!("缺第 {next} 条，其后为 {} comes instead of it", stored.position);
                return Err(JournalError::Unsafe { code: Code::JournalGap, detail }.into());
            }
            each(stored)?;
            next += 1;
            deadline = Instant::now() + SILENCE_MAX;
        }
    }
    Ok(())
}

/// The tree over the first `size` messages. Of those that an earlier freeze has in its tree nothing is read again.
///
/// # Errors
///
/// As [`read`].
pub async fn tree(
    journal: &dyn Journal,
    book: &IssueBook,
    by: TreeHash,
    size: u64,
) -> Result<Tree, JournalError> {
    let trees = book.issues.values().filter_map(|it| it.freeze.as_ref()?.tree.as_ref());
    let latest = trees.filter(|it| it.hash == by && it.size <= size).max_by_key(|it| it.size);
    let known = latest.and_then(|it| Peaks::from_parts(by, it.size, it.peaks.clone()));
    let mut peaks = known.unwrap_or_else(|| Peaks::new(by));
    read::<JournalError>(journal, peaks.size() + 1, size, |stored| {
        peaks.push(leaf(by, leaf_line(&stored).as_bytes()));
        Ok(())
    })
    .await?;
    Ok(peaks.tree())
}
