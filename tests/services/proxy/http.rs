//! As much of HTTP/1.1 as a proxy needs: heads, and where a body ends. Bodies pass as the bytes they are.

use std::io::{self, BufRead, Read, Write};

/// No real head of an AWS request comes near it.
const HEAD_BYTES_MAX: u64 = 256 * 1024;

/// A start line and header fields, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// A head with no fields yet.
    pub(crate) fn new(start: &str) -> Self {
        Self { start: start.to_owned(), fields: Vec::new() }
    }

    /// Reads up to and including the empty line; `None` when the peer closed before a first byte.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut limited = from.take(HEAD_BYTES_MAX);
        let Some(start) = line(&mut limited)? else { return Ok(None) };
        let mut head = Self::new(&start);
        loop {
            let field = line(&mut limited)?.ok_or_else(|| broken("the head ends early"))?;
            if field.is_empty() {
                return Ok(Some(head));
            }
            let (name, value) =
                field.split_once(':').ok_or_else(|| broken("a field without a colon"))?;
            head.set(name.trim(), value.trim());
        }
    }

    /// The value of the first field of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a field of that name holds that word, however it is cased.
    pub(crate) fn says(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    /// Appends a field, whether or not there is one of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// Takes away the fields whose lower-case name satisfies the predicate.
    pub(crate) fn remove(&mut self, wrong: impl Fn(&str) -> bool) {
        self.fields.retain(|(name, _)| !wrong(&name.to_ascii_lowercase()));
    }

    /// Puts one field in the place of all of that name.
    pub(crate) fn replace(&mut self, name: &str, value: &str) {
        self.remove(|field| field == name);
        self.set(name, value);
    }

    /// The three words of a start line.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.start.split(' ').nth(index).unwrap_or_default()
    }

    /// The bytes on the wire.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Bytes(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// Of a request's body.
    pub(crate) fn of_request(head: &Head) -> Self {
        if head.says("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        Self::Bytes(head.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0))
    }

    /// Of the body of an answer to a request of this method.
    pub(crate) fn of_answer(method: &str, head: &Head) -> Self {
        let status = head.word(1);
        if method == "HEAD" || status == "204" || status == "304" {
            return Self::Bytes(0);
        }
        if head.says("transfer-encoding", "chunked") {
            return Self::Chunked;
        }
        let len = head.get("content-length").and_then(|len| len.parse().ok());
        len.map_or(Self::UntilClose, Self::Bytes)
    }

    /// Copies a body as it arrives, the framing of chunks and their trailers included.
    pub(crate) fn copy(self, from: &mut impl BufRead, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Bytes(len) => copy_bytes(from, len, to),
            Self::Chunked => copy_chunks(from, to),
            Self::UntilClose => loop {
                if copy_some(from, u64::MAX, to)? == 0 {
                    return Ok(());
                }
            },
        }
    }
}

/// Copies what is there, up to a length: the number of bytes, 0 at the end of the stream.
fn copy_some(from: &mut impl BufRead, len_max: u64, to: &mut dyn Write) -> io::Result<u64> {
    let there = from.fill_buf()?;
    let len = there.len().min(usize::try_from(len_max).unwrap_or(usize::MAX));
    to.write_all(&there[..len])?;
    from.consume(len);
    Ok(len as u64)
}

fn copy_bytes(from: &mut impl BufRead, len: u64, to: &mut dyn Write) -> io::Result<()> {
    let mut left = len;
    while left > 0 {
        match copy_some(from, left, to)? {
            0 => return Err(broken("the body ends early")),
            copied => left -= copied,
        }
    }
    Ok(())
}

fn copy_chunks(from: &mut impl BufRead, to: &mut dyn Write) -> io::Result<()> {
    loop {
        let size = copy_line(from, to)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let len = u64::from_str_radix(digits, 16).map_err(|_| broken("a chunk without a size"))?;
        if len == 0 {
            break;
        }
        // The line end after the data belongs to the chunk.
        copy_bytes(from, len + 2, to)?;
    }
    // Trailers, up to an empty line.
    while !copy_line(from, to)?.is_empty() {}
    Ok(())
}

fn copy_line(from: &mut impl BufRead, to: &mut dyn Write) -> io::Result<String> {
    let text = line(from)?.ok_or_else(|| broken("the body ends early"))?;
    to.write_all(text.as_bytes())?;
    to.write_all(b"\r\n")?;
    Ok(text)
}

/// A line without its end; `None` at the end of the stream.
fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    from.read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(broken("a line without an end"));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
