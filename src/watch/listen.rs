//! `/metrics`, `/healthz` and `/readyz`, over plain HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::runtime::{Builder, Runtime};

use super::health::Health;

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    runtime: Option<Runtime>,
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Answers at this address; port 0 takes one that is free.
    pub(crate) fn open(address: SocketAddr, health: Arc<Health>) -> Result<Self> {
        let failed = || {
            format!(
                "cannot listen on {address}: give a free address with --listen, or `--listen off`"
            )
        };
        let listener = TcpListener::bind(address).with_context(failed)?;
        listener.set_nonblocking(true).with_context(failed)?;
        let address = listener.local_addr().with_context(failed)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("listen")
            .enable_all()
            .build()
            .with_context(failed)?;
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(health);
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).with_context(failed)?;
        drop(entered);
        // It ends with the runtime.
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { runtime: Some(runtime), address })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever is connected is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.page())
}

async fn healthz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    answer(health.is_alive(), "alive\n", "the loop has not come round lately\n")
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    answer(health.is_ready(), "ready\n", "the stream has not answered yet\n")
}

fn answer(is_well: bool, well: &'static str, unwell: &'static str) -> (StatusCode, &'static str) {
    if is_well { (StatusCode::OK, well) } else { (StatusCode::SERVICE_UNAVAILABLE, unwell) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_says_how_it_is() {
        let health = Arc::new(Health::new());
        let listener = Listener::open(([127, 0, 0, 1], 0).into(), Arc::clone(&health)).unwrap();
        assert!(get(listener.address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(listener.address, "/readyz").starts_with("HTTP/1.1 503"));
        health.set_ready();
        assert!(get(listener.address, "/readyz").starts_with("HTTP/1.1 200"));
        health.figures().ledger.records = 17;
        let page = get(listener.address, "/metrics");
        assert!(page.contains("\ntidegate_records_total 17\n"), "{page}");
        assert!(get(listener.address, "/").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn an_address_in_use_is_an_error_that_says_what_to_do() {
        let health = Arc::new(Health::new());
        let first = Listener::open(([127, 0, 0, 1], 0).into(), Arc::clone(&health)).unwrap();
        let error = format!("{:#}", Listener::open(first.address, health).unwrap_err());
        assert!(error.contains("--listen off") && error.contains("in use"), "{error}");
    }
}
