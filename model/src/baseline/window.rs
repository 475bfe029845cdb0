//! What one workload did in one window: the unit that is judged and learned.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use super::evidence::{Direction, EdgeKey, Measure};
use crate::activity::{Activity, Conversation, Endpoint};
use crate::identity::Workload;

/// The name a workload goes by within its service: its interface, or its address.
pub fn workload_key(workload: &Workload) -> Arc<str> {
    match &workload.eni {
        Some(eni) => format!("{}/{eni}/{}", workload.account, workload.address).into(),
        None => format!("{}/{}/{}", workload.account, workload.vpc, workload.address).into(),
    }
}

/// One workload's window.
#[derive(Clone, Debug)]
pub struct WorkloadWindow<'a> {
    /// Who.
    pub workload: Arc<Workload>,
    /// Its [`workload_key`].
    pub name: Arc<str>,
    /// What it opened.
    pub as_client: Vec<&'a Conversation>,
    /// What was opened to it.
    pub as_server: Vec<&'a Conversation>,
    edges: Vec<(EdgeKey, Range<usize>)>,
    /// Its conversations with each one's edge in a word, until they are brought together.
    placed: Vec<(u64, &'a Conversation)>,
    by_edge: Vec<&'a Conversation>,
    measures: [u64; Measure::ALL.len()],
}

impl<'a> WorkloadWindow<'a> {
    /// What is measured in this window; 0 where the measure does not apply.
    pub fn measure(&self, measure: Measure) -> u64 {
        self.measures[measure as usize]
    }

    /// The edges of this window, with each one's conversations; in no order to rely on.
    pub fn edges(&self) -> impl Iterator<Item = (&EdgeKey, &[&'a Conversation])> {
        self.edges.iter().map(|(key, at)| (key, &self.by_edge[at.clone()]))
    }

    fn new(workload: &Arc<Workload>, name: Arc<str>) -> Self {
        Self {
            workload: Arc::clone(workload),
            name,
            as_client: Vec::new(),
            as_server: Vec::new(),
            edges: Vec::new(),
            placed: Vec::new(),
            by_edge: Vec::new(),
            measures: [0; Measure::ALL.len()],
        }
    }

    fn measure_all(&mut self) {
        let mut sums = [0_u64; Measure::ALL.len()];
        let mut add = |measure: Measure, n: u64| {
            let sum = &mut sums[measure as usize];
            *sum = sum.saturating_add(n);
        };
        let mut servers = Vec::with_capacity(self.as_client.len());
        for c in &self.as_client {
            let sent = match c.server.workload() {
                None => Measure::BytesOutside,
                Some(_) => Measure::BytesInside,
            };
            add(sent, c.bytes_out);
            add(Measure::RejectedOut, c.rejected());
            add(Measure::Connections, c.attempts);
            servers.push(c.server.address);
        }
        for c in &self.as_server {
            add(Measure::RejectedIn, c.rejected());
            add(Measure::Served, c.attempts);
        }
        servers.sort_unstable();
        servers.dedup();
        add(Measure::Fanout, servers.len() as u64);
        self.measures = sums;
    }

    fn add(&mut self, direction: Direction, peer: u32, c: &'a Conversation) {
        let direction = match direction {
            Direction::Out => {
                self.as_client.push(c);
                0
            }
            Direction::In => {
                self.as_server.push(c);
                1_u64 << 63
            }
        };
        let port = u64::from(c.port) << 8 | u64::from(c.protocol);
        self.placed.push((direction | u64::from(peer) << 24 | port, c));
    }

    /// Brings the conversations of each edge together, in the order they have.
    fn group(&mut self) {
        let mut placed = std::mem::take(&mut self.placed);
        placed.sort_by_key(|&(place, _)| place);
        self.by_edge = placed.iter().map(|&(_, c)| c).collect();
        let mut from = 0;
        for edge in placed.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(place, c)) = edge.first() else { continue };
            let (direction, other) = match place >> 63 {
                0 => (Direction::Out, &c.server),
                _ => (Direction::In, &c.client),
            };
            let peer = Arc::clone(&other.peer);
            let key = EdgeKey { direction, peer, port: c.port, protocol: c.protocol };
            self.edges.push((key, from..from + edge.len()));
            from += edge.len();
        }
    }
}

/// What an endpoint is within one window.
#[derive(Clone, Copy)]
struct Number {
    /// The number of its name as a peer.
    peer: u32,
    /// The number of its own window, if it is a workload.
    window: Option<usize>,
}

/// The windows of one activity, as they come together.
#[derive(Default)]
struct Gathering<'a> {
    windows: Vec<WorkloadWindow<'a>>,
    by_name: HashMap<(Arc<str>, Arc<str>), usize>,
    /// A workload is mostly met as the same one in memory, and then need not be named again.
    by_pointer: HashMap<*const Workload, usize>,
    by_endpoint: HashMap<*const Endpoint, Number>,
    peers: HashMap<Arc<str>, u32>,
    /// The last client: a client's conversations stand together.
    last: Option<(*const Endpoint, Number)>,
}

impl<'a> Gathering<'a> {
    fn number(&mut self, endpoint: &Arc<Endpoint>) -> Number {
        if let Some(&number) = self.by_endpoint.get(&Arc::as_ptr(endpoint)) {
            return number;
        }
        let window = endpoint.workload().map(|workload| self.window(workload));
        let next = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        let peer = *self.peers.entry(Arc::clone(&endpoint.peer)).or_insert(next);
        let number = Number { peer, window };
        self.by_endpoint.insert(Arc::as_ptr(endpoint), number);
        number
    }

    fn window(&mut self, workload: &Arc<Workload>) -> usize {
        let Self { windows, by_name, .. } = self;
        *self.by_pointer.entry(Arc::as_ptr(workload)).or_insert_with(|| {
            let name = workload_key(workload);
            let key = (Arc::clone(&workload.service), Arc::clone(&name));
            *by_name.entry(key).or_insert_with(|| {
                windows.push(WorkloadWindow::new(workload, name));
                windows.len() - 1
            })
        })
    }

    fn add(&mut self, conversation: &'a Conversation) {
        let at = Arc::as_ptr(&conversation.client);
        let client = match self.last {
            Some((last, number)) if last == at => number,
            _ => self.number(&conversation.client),
        };
        self.last = Some((at, client));
        let server = self.number(&conversation.server);
        if let Some(at) = client.window {
            self.windows[at].add(Direction::Out, server.peer, conversation);
        }
        if let Some(at) = server.window {
            self.windows[at].add(Direction::In, client.peer, conversation);
        }
    }
}

/// The window's conversations by workload, in a fixed order.
pub fn workload_windows(activity: &Activity) -> Vec<WorkloadWindow<'_>> {
    let mut gathering = Gathering::default();
    for conversation in &activity.conversations {
        gathering.add(conversation);
    }
    let Gathering { mut windows, .. } = gathering;
    for window in &mut windows {
        window.measure_all();
        window.group();
    }
    windows.sort_by(|a, b| (&a.workload.service, &a.name).cmp(&(&b.workload.service, &b.name)));
    windows
}
