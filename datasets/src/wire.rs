//! Turns connections into the records every interface they pass would report.

use crate::connection::{Connection, End, Exchange, Failure, Phase, loads};
use crate::estate::{Capture, Estate, InterfaceIdx};
use crate::files::Sink;
use crate::labels::{Edge, Labels};
use crate::random::mixed;
use crate::record::{Load, Record, TCP, Verdict, flags};
use crate::text::Silence;
use crate::vantage::{family, vantages};

/// In how many intervals of an interface records are lost once.
const LOSS_ONE_IN: u64 = 30_000;

/// One aggregation interval and the estate during it.
pub(crate) struct Moment<'a> {
    /// The first second, in Unix seconds.
    pub(crate) from: i64,
    /// The first second after it.
    pub(crate) until: i64,
    /// How busy people are; see [`Estate::activity`].
    pub(crate) activity: f64,
    /// How busy the whole shop is made, to reach a number of records.
    pub(crate) scale: f64,
    pub(crate) estate: &'a Estate,
}

impl Moment<'_> {
    /// The length of the interval in seconds.
    pub(crate) fn secs(&self) -> f64 {
        (self.until - self.from) as f64
    }

    /// Whether the interface's records of this interval are not written.
    fn is_lost(&self, idx: InterfaceIdx) -> bool {
        match self.estate.weather.capture {
            Capture::On => false,
            Capture::Skipping(one_in) => {
                mixed((self.from as u64) << 24 ^ Estate::position(idx) as u64)
                    .is_multiple_of(one_in)
            }
            Capture::Off => true,
        }
    }
}

/// A connection that goes on in the next interval.
#[derive(Clone)]
pub(crate) struct Live {
    connection: Connection,
    /// Its last second.
    end: i64,
    /// Payload bytes a second, from the client and from the server.
    rates: (f64, f64),
}

/// What one interval saw of a connection.
struct Part {
    /// The first and the last second.
    span: (i64, i64),
    out: Load,
    back: Load,
}

/// Where connections become records.
pub(crate) struct Wire {
    pub(crate) sink: Sink,
    pub(crate) labels: Labels,
    /// Records of labelled connections.
    pub(crate) n_malicious: u64,
    /// Connections that go on.
    pub(crate) live: Vec<Live>,
    /// Per interface, whether it reported something in this interval.
    heard: Vec<bool>,
}

impl Wire {
    pub(crate) fn new(sink: Sink) -> Self {
        Self {
            sink,
            labels: Labels::default(),
            n_malicious: 0,
            live: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// One that goes on with what is open, and reports elsewhere.
    pub(crate) fn branch(&self, sink: Sink) -> Self {
        let (labels, live, heard) = (self.labels.clone(), self.live.clone(), self.heard.clone());
        Self { sink, labels, n_malicious: self.n_malicious, live, heard }
    }

    /// Opens an answered connection; what outlasts the moment is reported in those to come.
    pub(crate) fn open(&mut self, now: &Moment, connection: &Connection, exchange: &Exchange) {
        let Exchange { start, secs, sent, received } = *exchange;
        let end = start + secs;
        if end < now.until {
            self.carry(now, connection, (start, end), (sent, received), Phase::Whole);
            return;
        }
        let rates = (sent / (secs + 1) as f64, received / (secs + 1) as f64);
        let seen = (now.until - start) as f64;
        let volume = (rates.0 * seen, rates.1 * seen);
        self.carry(now, connection, (start, now.until - 1), volume, Phase::First);
        self.live.push(Live { connection: *connection, end, rates });
    }

    /// Reports what goes on of the connections opened before this moment.
    pub(crate) fn resume(&mut self, now: &Moment) {
        let mut live = std::mem::take(&mut self.live);
        live.retain(|one| {
            let is_cut = [one.connection.client, one.connection.server]
                .iter()
                .any(|&end| matches!(end, End::Inside(idx) if !now.estate.exists(idx)));
            if is_cut {
                return false;
            }
            let until = one.end.min(now.until - 1);
            let seen = (until - now.from + 1) as f64;
            let phase = if one.end < now.until { Phase::Last } else { Phase::Middle };
            let volume = (one.rates.0 * seen, one.rates.1 * seen);
            self.carry(now, &one.connection, (now.from, until), volume, phase);
            phase == Phase::Middle
        });
        self.live = live;
    }

    /// Reports one part of a connection that the caller keeps track of itself.
    pub(crate) fn carry(
        &mut self,
        now: &Moment,
        connection: &Connection,
        span: (i64, i64),
        volume: (f64, f64),
        phase: Phase,
    ) {
        let (out, back) = loads(connection.protocol, phase, volume);
        self.note(now, connection, span, phase.is_opening());
        self.report(now, connection, &Part { span, out, back }, None);
    }

    /// Reports an attempt of that many packets that led to nothing.
    pub(crate) fn attempt(
        &mut self,
        now: &Moment,
        connection: &Connection,
        start: i64,
        packets: u64,
        failure: Failure,
    ) {
        let is_tcp = connection.protocol == TCP;
        let packet_bytes = if is_tcp { 60 } else { 84 };
        let syn = if is_tcp { flags::SYN } else { 0 };
        let out = Load { packets, bytes: packets * packet_bytes, flags: syn };
        let back = match failure {
            Failure::Refused => Load { packets, bytes: packets * 40, flags: flags::RST },
            _ => Load::default(),
        };
        let end = (start + packets as i64 - 1).min(now.until - 1);
        let span = (start, end);
        self.note(now, connection, span, true);
        self.report(now, connection, &Part { span, out, back }, Some(failure));
    }

    fn note(&mut self, now: &Moment, connection: &Connection, span: (i64, i64), opened: bool) {
        if let Some(label) = connection.label {
            let client = connection.client.address(now.estate);
            let server = connection.server.address(now.estate);
            let edge = Edge {
                label,
                family: family(now.estate, connection),
                client,
                server,
                port: connection.port,
                protocol: connection.protocol,
            };
            self.labels.note(edge, span, u64::from(opened));
        }
    }

    /// Writes the records of every interface the part passed, both directions.
    fn report(
        &mut self,
        now: &Moment,
        connection: &Connection,
        part: &Part,
        failure: Option<Failure>,
    ) {
        let before = self.sink.n_records();
        for vantage in vantages(now.estate, connection).into_iter().flatten() {
            let at_server = connection.server == End::Inside(vantage.interface);
            let verdict = match failure {
                Some(Failure::Denied) if at_server => Verdict::Reject,
                Some(Failure::Lost) if at_server => continue,
                _ => Verdict::Accept,
            };
            let protocol = connection.protocol;
            self.write(now, &vantage.record(protocol, part.out, part.span, verdict));
            if part.back.packets > 0 {
                let turned = vantage.turned();
                self.write(now, &turned.record(protocol, part.back, part.span, verdict));
            }
        }
        if connection.label.is_some() {
            self.n_malicious += self.sink.n_records() - before;
        }
    }

    fn write(&mut self, now: &Moment, record: &Record) {
        if now.is_lost(record.interface) {
            return;
        }
        let position = Estate::position(record.interface);
        if self.heard.len() <= position {
            self.heard.resize(now.estate.n_interfaces(), false);
        }
        self.heard[position] = true;
        self.sink.record(record, now.estate.interface(record.interface));
    }

    /// Lets every interface that reported nothing, or now and then too little, say so, and ends the
    /// interval.
    pub(crate) fn close(&mut self, now: &Moment) {
        self.heard.resize(now.estate.n_interfaces(), false);
        let capture = now.estate.weather.capture;
        for idx in now.estate.interfaces() {
            let draw = mixed(Estate::position(idx) as u64 ^ (now.from as u64) << 20);
            if capture == Capture::Off {
                continue;
            }
            if draw.is_multiple_of(LOSS_ONE_IN) || now.is_lost(idx) {
                self.silence(now, idx, Silence::SkipData);
            } else if !self.heard[Estate::position(idx)] {
                self.silence(now, idx, Silence::NoData);
            }
        }
        self.heard.fill(false);
    }

    /// Writes an interface's line without traffic.
    pub(crate) fn silence(&mut self, now: &Moment, idx: InterfaceIdx, silence: Silence) {
        // The seconds differ from interface to interface, as the capturing hosts' clocks do.
        let lag = (mixed(Estate::position(idx) as u64) % 5) as i64;
        let span = (now.from + lag, now.until - 1 - lag / 2);
        self.sink.silence(silence, now.estate.interface(idx), span);
    }
}
