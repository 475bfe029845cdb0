//! What goes wrong, for which requests, and when.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::http::Head;

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    /// As on the wire: chunks keep their framing.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// `GET`, `PUT`, `POST`, …
    pub(crate) fn method(&self) -> &str {
        self.head.word(0)
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.head.word(1)
    }

    /// The operation of a JSON protocol, such as `Kinesis_20131202.GetRecords`; empty for the others.
    pub(crate) fn target(&self) -> &str {
        self.head.get("x-amz-target").unwrap_or_default()
    }

    /// `GET /bucket/key`, or `POST / Logs_20140328.FilterLogEvents`.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}", self.method(), self.path(), self.target()).trim_end().to_owned()
    }

    /// What a thing is asked for, whatever the method and range: the path, and the body of an API call.
    ///
    /// The body of an upload is not in it, since a retry signs its chunks anew.
    fn subject(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.path(), self.target()).hash(&mut hasher);
        if self.is_api_call() {
            self.body.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The same for a request and its retries, and for no other request.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let len = if self.is_api_call() { 0 } else { self.body.len() };
        (self.subject(), self.method(), self.head.get("range"), len).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether the body is an API call's parameters and not an object.
    pub(crate) fn is_api_call(&self) -> bool {
        !self.target().is_empty() || self.is_query()
    }

    /// Whether it speaks the protocol of forms and XML (STS, SNS).
    pub(crate) fn is_query(&self) -> bool {
        self.head.says("content-type", "x-www-form-urlencoded")
    }
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// An error of the service, 500 or so, in the protocol of the request.
    Fail { status: u16 },
    /// The service says "slower" the way it does: 503 `SlowDown`, `ThrottlingException`,
    /// `ProvisionedThroughputExceededException`.
    Throttle,
    /// A refusal by name, in the protocol of the request.
    Refuse { status: u16, code: &'static str },
    /// The connection closes before the service sees the request.
    Drop,
    /// The service does what was asked, and the connection closes before its answer.
    LoseAnswer,
    /// The answer promises its full length, and the connection closes after so many bytes of the body.
    CutBody { after_bytes: usize },
    /// The body trickles.
    SlowBody { bytes_per_sec: usize },
    /// The service does what was asked; the body of its answer is another, checksums left out.
    ReplaceBody(Vec<u8>),
    /// The `Date` of the answer is off.
    SkewDate { secs: i64 },
    /// The service's clock is off: the `Date` of the answer is, and a request signed more than 15 minutes
    /// away from it is refused.
    SkewClock { secs: i64 },
}

/// When a fault strikes a request that matches.
#[derive(Clone, Debug)]
enum When {
    Always,
    /// The nth that matches, from 1.
    Nth(u64),
    /// Each the first time it is seen, and not when it is tried again.
    EachOnce,
    /// Drawn per request and attempt.
    Share {
        fraction: f64,
        seed: u64,
    },
    /// From the first that matches, for so long.
    Lasting(Duration),
}

/// One thing that goes wrong: an effect, when it strikes, and which requests it can strike.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    effect: Effect,
    when: When,
    method: Option<String>,
    path: Option<String>,
    target: Option<String>,
    for_good: bool,
}

impl Fault {
    fn new(effect: Effect, when: When) -> Self {
        Self { effect, when, method: None, path: None, target: None, for_good: false }
    }

    /// Strikes every request that matches.
    pub(crate) fn always(effect: Effect) -> Self {
        Self::new(effect, When::Always)
    }

    /// Strikes the first request that matches.
    pub(crate) fn once(effect: Effect) -> Self {
        Self::nth(1, effect)
    }

    /// Strikes the nth request that matches, from 1.
    pub(crate) fn nth(nth: u64, effect: Effect) -> Self {
        Self::new(effect, When::Nth(nth))
    }

    /// Strikes every request the first time it is made, and lets its retries pass.
    pub(crate) fn each_once(effect: Effect) -> Self {
        Self::new(effect, When::EachOnce)
    }

    /// Strikes that share of the attempts; which ones depends on the seed, not on threads.
    pub(crate) fn share(fraction: f64, seed: u64, effect: Effect) -> Self {
        Self::new(effect, When::Share { fraction, seed })
    }

    /// Strikes everything that matches, for so long after the first of them.
    pub(crate) fn lasting(duration: Duration, effect: Effect) -> Self {
        Self::new(effect, When::Lasting(duration))
    }

    /// One iterator expires, and stays expired.
    pub(crate) fn expired_iterator() -> Self {
        let effect = Effect::Refuse { status: 400, code: "ExpiredIteratorException" };
        Self::once(effect).on_target("GetRecords").for_good()
    }

    /// The object whose path contains this is listed, and gone by the time it is asked for.
    pub(crate) fn deleted_object(path: &str) -> Self {
        let effect = Effect::Refuse { status: 404, code: "NoSuchKey" };
        Self::once(effect).on_method("GET").on_path(path).for_good()
    }

    /// Only requests of this method.
    pub(crate) fn on_method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests with this in their path or query.
    pub(crate) fn on_path(mut self, part: &str) -> Self {
        self.path = Some(part.to_owned());
        self
    }

    /// Only requests with this in their `x-amz-target`.
    pub(crate) fn on_target(mut self, part: &str) -> Self {
        self.target = Some(part.to_owned());
        self
    }

    /// What was struck once is struck whenever it is asked for again.
    pub(crate) fn for_good(mut self) -> Self {
        self.for_good = true;
        self
    }

    fn matches(&self, request: &Request) -> bool {
        self.method.as_ref().is_none_or(|method| request.method() == method)
            && self.path.as_ref().is_none_or(|part| request.path().contains(part.as_str()))
            && self.target.as_ref().is_none_or(|part| request.target().contains(part.as_str()))
    }
}

/// A fault, and what it has met so far.
#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u64,
    attempts: HashMap<u64, u64>,
    since: Option<Instant>,
    struck: HashSet<u64>,
    strikes: u64,
}

impl Armed {
    fn new(fault: Fault) -> Self {
        let (attempts, struck) = (HashMap::new(), HashSet::new());
        Self { fault, matched: 0, attempts, since: None, struck, strikes: 0 }
    }

    fn strikes(&mut self, request: &Request, now: Instant) -> bool {
        let again = self.fault.for_good && self.struck.contains(&request.subject());
        let strikes = again || self.fault.matches(request) && self.is_due(request, now);
        if strikes {
            self.strikes += 1;
            self.struck.insert(request.subject());
        }
        strikes
    }

    fn is_due(&mut self, request: &Request, now: Instant) -> bool {
        self.matched += 1;
        match self.fault.when {
            When::Always => true,
            When::Nth(nth) => self.matched == nth,
            When::EachOnce => self.attempt(request) == 1,
            When::Share { fraction, seed } => {
                draw(seed, request.fingerprint(), self.attempt(request)) < fraction
            }
            When::Lasting(duration) => {
                now.duration_since(*self.since.get_or_insert(now)) < duration
            }
        }
    }

    fn attempt(&mut self, request: &Request) -> u64 {
        let attempts = self.attempts.entry(request.fingerprint()).or_default();
        *attempts += 1;
        *attempts
    }
}

/// A number in [0, 1) that follows from these three.
fn draw(seed: u64, fingerprint: u64, attempt: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, fingerprint, attempt).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

/// All that goes wrong at one proxy; the first fault that strikes a request is the one it meets.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(faults.into_iter().map(Armed::new).collect())
    }

    /// What happens to this request, if anything.
    pub(crate) fn effect_on(&mut self, request: &Request, now: Instant) -> Option<Effect> {
        let armed = self.0.iter_mut().find_map(|armed| {
            let strikes = armed.strikes(request, now);
            strikes.then_some(armed)
        })?;
        Some(armed.fault.effect.clone())
    }

    /// How often each has struck, in the order given.
    pub(crate) fn strikes(&self) -> Vec<u64> {
        self.0.iter().map(|armed| armed.strikes).collect()
    }
}
