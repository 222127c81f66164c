//! Lines of an input that may never end one: what is too long is refused before it fills the memory.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use zhoubao_domain::code::Code;

use crate::failure::Failure;

/// A line that is longer than it may be; the rest of it is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("一行超过 {max_bytes} 字节 the line has more than {max_bytes} bytes")]
pub struct TooLong {
    /// The most.
    pub max_bytes: usize,
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Self {
        Self::coded(Code::TooLarge, error.to_string())
    }
}

/// Lines of at most so many bytes.
#[derive(Debug)]
pub struct Lines<R> {
    input: BufReader<R>,
    max_bytes: usize,
    /// Whether the line before was too long, and its rest is still to come.
    in_rest: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// The lines of an input.
    #[must_use]
    pub fn new(input: R, max_bytes: usize) -> Self {
        Self { input: BufReader::new(input), max_bytes, in_rest: false }
    }

    /// The next line without its end, or that it is too long; none at the end of the input. After a line that is too
    /// long comes the line behind it.
    ///
    /// # Errors
    ///
    /// E.705 when the input cannot be read or is not UTF-8.
    pub async fn next(&mut self) -> Result<Option<Result<String, TooLong>>, Failure> {
        let failed =
            |it: &dyn std::fmt::Display| Failure::unavailable(format!("standard input: {it}"));
        let mut line: Vec<u8> = vec![];
        let mut is_there = false;
        loop {
            let part = self.input.fill_buf().await.map_err(|it| failed(&it))?;
            if part.is_empty() {
                break;
            }
            let end = part.iter().position(|it| *it == b'\n');
            let text = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
            if !self.in_rest {
                is_there = true;
                if line.len() + text.len() > self.max_bytes {
                    // The end of it is looked for when the next line is asked for.
                    self.in_rest = true;
                    return Ok(Some(Err(TooLong { max_bytes: self.max_bytes })));
                }
                line.extend_from_slice(text);
            }
            let read = text.len() + usize::from(end.is_some());
            self.input.consume(read);
            if end.is_some() && !std::mem::take(&mut self.in_rest) {
                break;
            }
        }
        if !is_there {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(|it| Some(Ok(it))).map_err(|it| failed(&it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8]) -> Vec<Result<String, TooLong>> {
        let mut lines = Lines::new(input, 4);
        let mut all = vec![];
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_what_lies_between_their_ends() {
        let text = |it: &str| Ok(it.to_owned());
        assert_eq!(all(b"").await, []);
        assert_eq!(all(b"a\r\n\nbc\n").await, [text("a"), text(""), text("bc")]);
        assert_eq!(all(b"1234\n5").await, [text("1234"), text("5")]);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_next_one_read() {
        let too_long = Err(TooLong { max_bytes: 4 });
        let long = format!("{}\nab\n12345", "x".repeat(100_000));
        assert_eq!(all(long.as_bytes()).await, [too_long.clone(), Ok("ab".to_owned()), too_long]);
    }

    #[tokio::test]
    async fn an_input_without_an_end_is_refused_after_one_line() {
        let mut lines = Lines::new(tokio::io::repeat(b'x'), 1_000_000);
        assert_eq!(lines.next().await.unwrap(), Some(Err(TooLong { max_bytes: 1_000_000 })));
    }
}
