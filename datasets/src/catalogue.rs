//! What a service can be, and how a topology lists one.

/// What a service is, which decides its port and how others talk to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Stands behind the load balancer.
    Web,
    /// Answers requests of other services.
    App,
    Postgres,
    Mysql,
    Mongo,
    Redis,
    Memcached,
    Rabbit,
    Kafka,
    Search,
    /// Works at night and is called by nobody.
    Batch,
    /// Scrapes metrics from everyone.
    Monitoring,
    /// The way in for administrators.
    Bastion,
}

impl Kind {
    /// The port it listens on unless the topology says otherwise.
    const fn port(self) -> u16 {
        match self {
            Self::Web | Self::App => 8080,
            Self::Memcached => 11_211,
            Self::Postgres => 5432,
            Self::Mysql => 3306,
            Self::Mongo => 27_017,
            Self::Redis => 6379,
            Self::Rabbit => 5672,
            Self::Kafka => 9092,
            Self::Search => 9200,
            Self::Batch | Self::Monitoring => 9090,
            Self::Bastion => 22,
        }
    }

    /// Whether clients keep a pool of connections to it.
    pub(crate) fn is_pooled(self) -> bool {
        let is_broker = matches!(self, Self::Rabbit | Self::Kafka);
        self.is_store() || is_broker || matches!(self, Self::Redis | Self::Memcached)
    }

    /// Whether it keeps data worth stealing.
    pub(crate) fn is_store(self) -> bool {
        matches!(self, Self::Postgres | Self::Mysql | Self::Mongo | Self::Search)
    }

    /// Whether it runs requests, so that it can be deployed, scaled and broken into.
    pub(crate) fn is_app(self) -> bool {
        matches!(self, Self::Web | Self::App)
    }
}

/// A service as a topology lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The port it listens on.
    pub(crate) port: u16,
    /// Replicas in a quiet estate.
    pub(crate) replicas: usize,
    /// The services it calls, by name; those the estate does not have are left out.
    pub(crate) calls: &'static [&'static str],
}

pub(crate) const fn entry(
    name: &'static str,
    kind: Kind,
    replicas: usize,
    calls: &'static [&'static str],
) -> Entry {
    Entry { name, kind, port: kind.port(), replicas, calls }
}

impl Entry {
    /// The same on another port.
    pub(crate) const fn on(self, port: u16) -> Self {
        Self { port, ..self }
    }
}
