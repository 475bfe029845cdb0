//! Google's Online Boutique (`microservices-demo`): gRPC services around one Redis.

use super::{Partners, Topology};
use crate::catalogue::Kind::{App, Bastion, Batch, Monitoring, Postgres, Redis, Web};
use crate::catalogue::{Entry, entry};

pub(super) const TOPOLOGY: Topology = Topology {
    name: "online-boutique",
    description: "Google's Online Boutique, eleven services and what they need to be run",
    services: &SERVICES,
    bastion: entry("bastion", Bastion, 2, &[]),
    partners: Partners {
        card_network: &["paymentservice"],
        bank: &["paymentservice"],
        mail_relay: &["emailservice"],
        customers: &["checkoutservice"],
        carriers: &["shippingservice"],
        objects: &["productcatalogservice", "adservice"],
        exports: &["checkoutservice"],
        clocks: &["prometheus", "bastion"],
        elastic: &["frontend", "recommendationservice"],
    },
};

/// The assistant and its `alloydb` are the demonstration's optional parts.
const SERVICES: [Entry; 16] = [
    entry(
        "frontend",
        Web,
        3,
        &[
            "adservice",
            "cartservice",
            "checkoutservice",
            "currencyservice",
            "productcatalogservice",
            "recommendationservice",
            "shippingservice",
            "shoppingassistantservice",
        ],
    ),
    entry("adservice", App, 2, &[]).on(9555),
    entry("cartservice", App, 2, &["redis-cart"]).on(7070),
    entry(
        "checkoutservice",
        App,
        2,
        &[
            "cartservice",
            "currencyservice",
            "emailservice",
            "paymentservice",
            "productcatalogservice",
            "shippingservice",
        ],
    )
    .on(5050),
    entry("currencyservice", App, 2, &[]).on(7000),
    entry("emailservice", App, 2, &[]).on(5000),
    entry("paymentservice", App, 2, &["orders-db"]).on(50_051),
    entry("productcatalogservice", App, 3, &["alloydb"]).on(3550),
    entry("recommendationservice", App, 2, &["productcatalogservice"]),
    entry("shippingservice", App, 2, &["orders-db"]).on(50_051),
    entry("shoppingassistantservice", App, 2, &["alloydb"]),
    entry("redis-cart", Redis, 2, &[]),
    entry("alloydb", Postgres, 2, &[]),
    entry("orders-db", Postgres, 2, &[]),
    entry("prometheus", Monitoring, 2, &[]),
    entry("bigquery-export", Batch, 2, &["orders-db"]),
];
