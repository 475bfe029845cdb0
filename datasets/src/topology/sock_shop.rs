//! Weaveworks' Sock Shop: a database for every service, and a queue to the warehouse.

use super::{Partners, Topology};
use crate::catalogue::Kind::{App, Bastion, Batch, Mongo, Monitoring, Mysql, Rabbit, Redis, Web};
use crate::catalogue::{Entry, entry};

pub(super) const TOPOLOGY: Topology = Topology {
    name: "sock-shop",
    description: "Weaveworks' Sock Shop, a database for every service",
    services: &SERVICES,
    bastion: entry("bastion", Bastion, 2, &[]),
    partners: Partners {
        card_network: &["payment"],
        bank: &["payment"],
        mail_relay: &["user"],
        customers: &["orders"],
        carriers: &["shipping", "queue-master"],
        objects: &["catalogue"],
        exports: &["orders"],
        clocks: &["prometheus", "bastion"],
        elastic: &["edge-router", "front-end"],
    },
};

const SERVICES: [Entry; 17] = [
    entry("edge-router", Web, 2, &["front-end"]).on(80),
    entry("front-end", App, 3, &["carts", "catalogue", "orders", "session-db", "user"]).on(8079),
    entry("catalogue", App, 2, &["catalogue-db"]).on(80),
    entry("carts", App, 2, &["carts-db"]).on(80),
    entry("orders", App, 2, &["carts", "orders-db", "payment", "shipping", "user"]).on(80),
    entry("payment", App, 2, &[]).on(80),
    entry("user", App, 2, &["user-db"]).on(80),
    entry("shipping", App, 2, &["rabbitmq"]).on(80),
    entry("queue-master", App, 2, &["rabbitmq"]).on(80),
    entry("session-db", Redis, 2, &[]),
    entry("catalogue-db", Mysql, 2, &[]),
    entry("carts-db", Mongo, 2, &[]),
    entry("orders-db", Mongo, 2, &[]),
    entry("user-db", Mongo, 2, &[]),
    entry("rabbitmq", Rabbit, 2, &[]),
    entry("prometheus", Monitoring, 2, &[]),
    entry("orders-report", Batch, 2, &["orders-db"]),
];
