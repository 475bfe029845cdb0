//! `DeathStarBench`'s social network: Thrift services, each with its cache and its documents.

use super::{Partners, Topology};
use crate::catalogue::Kind::{
    App, Bastion, Batch, Memcached, Mongo, Monitoring, Redis, Search, Web,
};
use crate::catalogue::{Entry, entry};

pub(super) const TOPOLOGY: Topology = Topology {
    name: "social-network",
    description: "DeathStarBench's social network, caches and documents behind every service",
    services: &SERVICES,
    bastion: entry("bastion", Bastion, 2, &[]),
    partners: Partners {
        card_network: &[],
        bank: &[],
        mail_relay: &["user-service"],
        customers: &["url-shorten-service"],
        carriers: &[],
        objects: &["media-frontend", "media-service"],
        exports: &["post-storage-service"],
        clocks: &["prometheus", "bastion"],
        elastic: &["nginx-thrift", "media-frontend", "home-timeline-service"],
    },
};

/// The port of every Thrift service.
const THRIFT: u16 = 9090;

const fn thrift(name: &'static str, calls: &'static [&'static str]) -> Entry {
    entry(name, App, 2, calls).on(THRIFT)
}

const SERVICES: [Entry; 31] = [
    entry(
        "nginx-thrift",
        Web,
        2,
        &[
            "compose-post-service",
            "home-timeline-service",
            "social-graph-service",
            "user-service",
            "user-timeline-service",
        ],
    ),
    entry("media-frontend", Web, 2, &["media-mongodb", "media-memcached"]).on(8081),
    thrift(
        "compose-post-service",
        &[
            "home-timeline-service",
            "media-service",
            "post-storage-service",
            "text-service",
            "unique-id-service",
            "user-service",
            "user-timeline-service",
        ],
    ),
    thrift("text-service", &["url-shorten-service", "user-mention-service"]),
    thrift("url-shorten-service", &["url-shorten-mongodb", "url-shorten-memcached"]),
    thrift("user-mention-service", &["user-mongodb", "user-memcached"]),
    thrift("unique-id-service", &["jaeger-agent"]),
    thrift("media-service", &["media-mongodb"]),
    thrift("user-service", &["social-graph-service", "user-mongodb", "user-memcached"]),
    thrift("social-graph-service", &["social-graph-mongodb", "social-graph-redis", "user-service"]),
    thrift("post-storage-service", &["post-storage-mongodb", "post-storage-memcached"]),
    thrift(
        "user-timeline-service",
        &["post-storage-service", "user-timeline-mongodb", "user-timeline-redis"],
    ),
    thrift(
        "home-timeline-service",
        &["home-timeline-redis", "post-storage-service", "social-graph-service"],
    ),
    entry("jaeger-agent", App, 2, &["jaeger-elasticsearch"]).on(6831),
    entry("jaeger-elasticsearch", Search, 2, &[]),
    entry("url-shorten-mongodb", Mongo, 2, &[]),
    entry("url-shorten-memcached", Memcached, 2, &[]),
    entry("user-mongodb", Mongo, 2, &[]),
    entry("user-memcached", Memcached, 2, &[]),
    entry("media-mongodb", Mongo, 2, &[]),
    entry("media-memcached", Memcached, 2, &[]),
    entry("social-graph-mongodb", Mongo, 2, &[]),
    entry("social-graph-redis", Redis, 2, &[]),
    entry("post-storage-mongodb", Mongo, 2, &[]),
    entry("post-storage-memcached", Memcached, 2, &[]),
    entry("user-timeline-mongodb", Mongo, 2, &[]),
    entry("user-timeline-redis", Redis, 2, &[]),
    entry("home-timeline-redis", Redis, 2, &[]),
    entry("prometheus", Monitoring, 2, &[]),
    entry("graph-rebuild", Batch, 2, &["social-graph-mongodb", "social-graph-redis"]),
    entry("post-archive", Batch, 2, &["post-storage-mongodb"]),
];
