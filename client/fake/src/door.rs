//! One address: HTTP/1.1, HTTP/2 and gRPC, with a way to break a connection amid
//! whatever is under way on it.

use std::sync::Arc;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tonic::service::Routes;
use via_proto::v1::ingest_server::IngestServer;

use crate::http;
use crate::ingest::Door;
use crate::memory::Memory;

/// The connection that a request came on.
#[derive(Clone)]
pub(crate) struct Line {
    broken: Arc<Notify>,
    pub(crate) port: u16,
}

impl Line {
    /// Breaks it; nothing more is said on it.
    pub(crate) async fn break_off<T>(&self) -> T {
        self.broken.notify_one();
        std::future::pending().await
    }
}

/// Opens an address and returns it as a URL.
pub(crate) async fn open(memory: Arc<Memory>) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let grpc = Routes::new(IngestServer::new(Door::new(Arc::clone(&memory))));
    let router = http::routes(memory).merge(grpc.into_axum_router());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, router.clone(), port));
        }
    });
    Ok(format!("http://127.0.0.1:{port}"))
}

async fn serve(socket: TcpStream, router: Router, port: u16) {
    // Small answers should not wait for the next one.
    drop(socket.set_nodelay(true));
    let line = Line { broken: Arc::new(Notify::new()), port };
    let service = TowerToHyperService::new(router.layer(Extension(line.clone())));
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::select! {
        // It ends as its client likes.
        _ = connection => {}
        () = line.broken.notified() => {}
    }
}
