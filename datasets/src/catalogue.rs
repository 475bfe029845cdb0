//! The services a shop can have: what each is and whom it calls.

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
    /// The port it listens on.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Web | Self::App => 8080,
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
        self.is_store() || matches!(self, Self::Redis | Self::Rabbit | Self::Kafka)
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

/// A service as the catalogue lists it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Replicas in a quiet shop.
    pub(crate) replicas: usize,
    /// The services it calls, by name; those the shop does not have are left out.
    pub(crate) calls: &'static [&'static str],
}

const fn entry(
    name: &'static str,
    kind: Kind,
    replicas: usize,
    calls: &'static [&'static str],
) -> Entry {
    Entry { name, kind, replicas, calls }
}

use Kind::{
    App, Bastion, Batch, Kafka, Mongo, Monitoring, Mysql, Postgres, Rabbit, Redis, Search, Web,
};

/// Where administrators log in; every shop has it besides its services.
pub(crate) const BASTION: Entry = entry("bastion", Bastion, 1, &[]);

/// All services; a shop of `n` has the first `n`.
pub(crate) const SERVICES: [Entry; 60] = [
    entry("web", Web, 2, &["gateway"]),
    entry("gateway", App, 2, &["catalogue", "carts", "orders", "users"]),
    entry("catalogue", App, 2, &["shop-db"]),
    entry("carts", App, 2, &["carts-cache", "catalogue"]),
    entry("orders", App, 2, &["shop-db", "events", "payments"]),
    entry("payments", App, 2, &["events"]),
    entry("users", App, 2, &["shop-db"]),
    entry("shop-db", Postgres, 1, &[]),
    entry("carts-cache", Redis, 1, &[]),
    entry("events", Rabbit, 1, &[]),
    entry("reports", Batch, 1, &["shop-db"]),
    entry("monitoring", Monitoring, 1, &[]),
    entry("reports-db", Mysql, 1, &[]),
    entry("shipping", App, 2, &["shipping-db", "events"]),
    entry("shipping-db", Postgres, 2, &[]),
    entry("search", App, 2, &["search-index", "catalogue"]),
    entry("search-index", Search, 3, &[]),
    entry("sessions", Redis, 2, &[]),
    entry("login", App, 2, &["sessions", "users"]),
    entry("mailer", App, 2, &["events", "templates"]),
    entry("templates", App, 2, &["templates-db"]),
    entry("templates-db", Mongo, 1, &[]),
    entry("invoices", App, 2, &["invoices-db", "orders"]),
    entry("invoices-db", Postgres, 2, &[]),
    entry("ledger-export", Batch, 1, &["invoices-db"]),
    entry("stream", Kafka, 3, &[]),
    entry("clicks", App, 3, &["stream"]),
    entry("recommendations", App, 3, &["stream", "features"]),
    entry("features", Redis, 2, &[]),
    entry("pricing", App, 2, &["pricing-db", "catalogue"]),
    entry("pricing-db", Postgres, 2, &[]),
    entry("stock", App, 3, &["stock-db", "events"]),
    entry("stock-db", Mysql, 2, &[]),
    entry("warehouse", App, 2, &["stock", "shipping"]),
    entry("vouchers", App, 2, &["vouchers-db"]),
    entry("vouchers-db", Mysql, 1, &[]),
    entry("reviews", App, 2, &["reviews-db"]),
    entry("reviews-db", Mongo, 2, &[]),
    entry("images", App, 3, &["images-cache"]),
    entry("images-cache", Redis, 2, &[]),
    entry("feeds", Batch, 2, &["shop-db", "pricing-db"]),
    entry("fraud", App, 2, &["stream", "fraud-db"]),
    entry("fraud-db", Postgres, 1, &[]),
    entry("support", App, 2, &["support-db", "orders", "users"]),
    entry("support-db", Postgres, 1, &[]),
    entry("returns", App, 2, &["orders", "stock"]),
    entry("loyalty", App, 2, &["loyalty-db", "users"]),
    entry("loyalty-db", Mongo, 1, &[]),
    entry("notifications", App, 3, &["events", "sessions"]),
    entry("geocoder", App, 2, &["geo-cache"]),
    entry("geo-cache", Redis, 1, &[]),
    entry("tax", App, 2, &["pricing"]),
    entry("suppliers", App, 2, &["suppliers-db", "stock"]),
    entry("suppliers-db", Postgres, 1, &[]),
    entry("analytics", Batch, 2, &["stream", "invoices-db"]),
    entry("partners-api", App, 2, &["catalogue", "stock", "pricing"]),
    entry("backoffice", App, 2, &["orders", "users", "invoices"]),
    entry("scheduler", App, 1, &["events", "mailer"]),
    entry("translations", App, 2, &["templates-db"]),
    entry("archive", Batch, 1, &["invoices-db", "reviews-db"]),
];
