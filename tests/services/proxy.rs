//! A proxy in front of a stand-in that makes go wrong what stand-ins never do: refusals, throttling, lost
//! answers, bodies cut short or slow.
//!
//! It speaks HTTP/1.1 over plain TCP, a thread per connection, and passes whatever it leaves alone as the
//! bytes it is. `Host` is rewritten; the stand-ins verify no signatures.

mod date;
mod fault;
mod http;
mod refusal;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use fault::{Effect, Fault};

use fault::{Faults, Request};
use http::{Framing, Head};
use refusal::Refusal;

/// As far as AWS lets a signature's time be from its own.
const SKEW_SECS_MAX: i64 = 15 * 60;
/// Pieces per second of a slow body.
const SLOW_PIECES: usize = 20;

/// A running proxy; dropping it closes its connections and ends it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What the connections' threads share.
struct Shared {
    upstream: String,
    faults: Mutex<Faults>,
    lines: Mutex<Vec<String>>,
    open: Mutex<HashMap<u64, TcpStream>>,
    next_id: AtomicU64,
    stopped: AtomicBool,
}

impl Proxy {
    /// Starts in front of `http://host:port`, on a free port of 127.0.0.1.
    pub(crate) fn start(upstream: &str, faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared::new(upstream, faults));
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared))
        };
        Self { address, shared, accepting: Some(accepting) }
    }

    /// What to give as the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts other faults in the place of the ones so far; the requests seen stay counted.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        *lock(&self.shared.faults) = Faults::new(faults);
    }

    /// How many requests came in, the ones that met a fault included.
    pub(crate) fn requests(&self) -> usize {
        lock(&self.shared.lines).len()
    }

    /// How many requests had this in `METHOD PATH?QUERY X-AMZ-TARGET`.
    pub(crate) fn requests_with(&self, part: &str) -> usize {
        lock(&self.shared.lines).iter().filter(|line| line.contains(part)).count()
    }

    /// The requests so far, as `METHOD PATH?QUERY X-AMZ-TARGET`.
    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.shared.lines).clone()
    }

    /// How many requests met a fault.
    pub(crate) fn injected(&self) -> u64 {
        self.injected_by_fault().iter().sum()
    }

    /// How many requests met each fault, in the order given.
    pub(crate) fn injected_by_fault(&self) -> Vec<u64> {
        lock(&self.shared.faults).strikes()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        for stream in lock(&self.shared.open).values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// A thread that panicked has failed its test already; the lock still holds what it held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_stopped() {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let id = shared.register(&client);
            // A connection that ends in an error is closed, which is all its client can be told.
            drop(Connection::new(client, &shared).and_then(|mut connection| connection.serve()));
            lock(&shared.open).remove(&id);
        });
    }
}

impl Shared {
    fn new(upstream: String, faults: Vec<Fault>) -> Self {
        Self {
            upstream,
            faults: Mutex::new(Faults::new(faults)),
            lines: Mutex::default(),
            open: Mutex::default(),
            next_id: AtomicU64::default(),
            stopped: AtomicBool::default(),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn register(&self, client: &TcpStream) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Ok(clone) = client.try_clone() {
            lock(&self.open).insert(id, clone);
        }
        id
    }

    #[expect(clippy::disallowed_methods, reason = "throttling lasts for a time on the wall")]
    fn effect_on(&self, request: &Request) -> Option<Effect> {
        lock(&self.lines).push(request.line());
        lock(&self.faults).effect_on(request, Instant::now())
    }
}

/// Whether the connection can take another request.
#[derive(Clone, Copy, Eq, PartialEq)]
enum After {
    KeepAlive,
    Close,
}

/// One client's connection, and the one to the stand-in that serves it.
struct Connection<'a> {
    shared: &'a Shared,
    client: TcpStream,
    from_client: BufReader<TcpStream>,
    upstream: Option<BufReader<TcpStream>>,
}

impl<'a> Connection<'a> {
    fn new(client: TcpStream, shared: &'a Shared) -> io::Result<Self> {
        client.set_nodelay(true)?;
        let from_client = BufReader::new(client.try_clone()?);
        Ok(Self { shared, client, from_client, upstream: None })
    }

    fn serve(&mut self) -> io::Result<()> {
        while let Some(request) = self.read_request()? {
            let effect = self.shared.effect_on(&request);
            let after = self.answer(&request, effect)?;
            if after == After::Close || request.head.says("connection", "close") {
                break;
            }
        }
        Ok(())
    }

    fn read_request(&mut self) -> io::Result<Option<Request>> {
        let Some(head) = Head::read(&mut self.from_client)? else { return Ok(None) };
        if head.says("expect", "100-continue") {
            self.client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Vec::new();
        Framing::of_request(&head).copy(&mut self.from_client, &mut body)?;
        Ok(Some(Request { head, body }))
    }

    fn answer(&mut self, request: &Request, effect: Option<Effect>) -> io::Result<After> {
        match effect {
            Some(Effect::Fail { status }) => {
                self.refuse(request, &Refusal::failure(request, status))
            }
            Some(Effect::Throttle) => self.refuse(request, &Refusal::throttle(request)),
            Some(Effect::Refuse { status, code }) => {
                self.refuse(request, &Refusal::new(status, code))
            }
            Some(Effect::SkewClock { secs }) if is_skewed(request, secs) => {
                let refusal = Refusal::skewed(request, date::now_secs() + secs);
                self.refuse(request, &refusal)
            }
            Some(Effect::Drop) => Ok(After::Close),
            other => self.forward(request, other),
        }
    }

    fn refuse(&mut self, request: &Request, refusal: &Refusal) -> io::Result<After> {
        self.client.write_all(&refusal.to_bytes(request))?;
        Ok(After::KeepAlive)
    }

    /// Asks the stand-in and hands its answer on, with the effect worked into it.
    fn forward(&mut self, request: &Request, effect: Option<Effect>) -> io::Result<After> {
        let (mut head, mut upstream) = self.ask(request)?;
        let framing = Framing::of_answer(request.method(), &head);
        let mut client = &self.client;
        match effect {
            Some(Effect::LoseAnswer) => {
                framing.copy(&mut upstream, &mut io::sink())?;
                return Ok(After::Close);
            }
            Some(Effect::CutBody { after_bytes }) => {
                client.write_all(&head.to_bytes())?;
                framing.copy(&mut upstream, &mut Cut { client, left: after_bytes })?;
                // A body no longer than that has not been cut, but the connection ends all the same.
                return Ok(After::Close);
            }
            Some(Effect::SlowBody { bytes_per_sec }) => {
                client.write_all(&head.to_bytes())?;
                let shared = self.shared;
                framing.copy(&mut upstream, &mut Slow { client, bytes_per_sec, shared })?;
            }
            Some(Effect::ReplaceBody(body)) => {
                framing.copy(&mut upstream, &mut io::sink())?;
                client.write_all(&replaced(&head, request, &body))?;
            }
            Some(Effect::SkewDate { secs } | Effect::SkewClock { secs }) => {
                head.replace("date", &date::to_http(date::now_secs() + secs));
                client.write_all(&head.to_bytes())?;
                framing.copy(&mut upstream, &mut client)?;
            }
            _ => {
                client.write_all(&head.to_bytes())?;
                framing.copy(&mut upstream, &mut client)?;
            }
        }
        if framing == Framing::UntilClose || head.says("connection", "close") {
            return Ok(After::Close);
        }
        self.upstream = Some(upstream);
        Ok(After::KeepAlive)
    }

    /// The head of the stand-in's answer, and where its body comes from.
    fn ask(&mut self, request: &Request) -> io::Result<(Head, BufReader<TcpStream>)> {
        let mut bytes = self.rewritten(request).to_bytes();
        bytes.extend_from_slice(&request.body);
        // A stand-in may have closed the connection in the meantime: then a new one gets the request.
        if let Some(mut upstream) = self.upstream.take()
            && let Ok(head) = exchange(&mut upstream, &bytes)
        {
            return Ok((head, upstream));
        }
        let stream = TcpStream::connect(&self.shared.upstream)?;
        stream.set_nodelay(true)?;
        let mut upstream = BufReader::with_capacity(64 * 1024, stream);
        let head = exchange(&mut upstream, &bytes)?;
        Ok((head, upstream))
    }

    fn rewritten(&self, request: &Request) -> Head {
        let mut head = request.head.clone();
        // The client was told to continue already.
        head.remove(|name| name == "expect");
        head.replace("host", &self.shared.upstream);
        head
    }
}

/// Sends a request and reads the head of its answer.
fn exchange(upstream: &mut BufReader<TcpStream>, request: &[u8]) -> io::Result<Head> {
    upstream.get_mut().write_all(request)?;
    loop {
        let head = Head::read(upstream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !head.word(1).starts_with('1') {
            return Ok(head);
        }
    }
}

fn is_skewed(request: &Request, skew_secs: i64) -> bool {
    let signed = request.head.get("x-amz-date").and_then(date::from_amz);
    signed.is_some_and(|signed| (signed - date::now_secs() - skew_secs).abs() > SKEW_SECS_MAX)
}

/// An answer with another body. What describes the old one goes.
fn replaced(head: &Head, request: &Request, body: &[u8]) -> Vec<u8> {
    let mut head = head.clone();
    head.remove(|name| {
        name.starts_with("x-amz-checksum") || matches!(name, "transfer-encoding" | "content-md5")
    });
    head.replace("content-length", &body.len().to_string());
    let mut bytes = head.to_bytes();
    if request.method() != "HEAD" {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Lets so many bytes pass, and then fails.
struct Cut<'a> {
    client: &'a TcpStream,
    left: usize,
}

impl Write for Cut<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.left);
        self.client.write_all(&bytes[..len])?;
        self.left -= len;
        if len < bytes.len() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(len) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}

/// Lets bytes pass at a rate.
struct Slow<'a> {
    client: &'a TcpStream,
    bytes_per_sec: usize,
    shared: &'a Shared,
}

impl Write for Slow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shared.is_stopped() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let len = bytes.len().min(self.bytes_per_sec.div_ceil(SLOW_PIECES).max(1));
        let secs = len as f64 / self.bytes_per_sec.max(1) as f64;
        thread::sleep(Duration::from_secs_f64(secs));
        self.client.write_all(&bytes[..len])?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}
