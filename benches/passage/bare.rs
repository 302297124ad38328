//! A proxy of the same libraries on as many threads that reads nothing: what is left of a difference
//! to nginx when flyball's own work is taken away.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;

const BEFORE: &str = "FLYBALL_PASSAGE_BARE_BEFORE";
const AT: &str = "FLYBALL_PASSAGE_BARE_AT";
const THREADS: usize = 2;

/// This program once more, as a proxy.
pub(super) struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    pub(super) fn start(upstream: SocketAddr) -> Self {
        let address = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .env(BEFORE, upstream.to_string())
            .env(AT, address.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while StdStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Whether this process is to be that proxy; then it is one for good.
pub(super) fn is_told_to() -> bool {
    let (Ok(upstream), Ok(at)) = (std::env::var(BEFORE), std::env::var(AT)) else { return false };
    let (upstream, at): (Authority, SocketAddr) = (upstream.parse().unwrap(), at.parse().unwrap());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (connections, mut inbox) = unbounded_channel::<StdStream>();
            let upstream = upstream.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async move {
                    let client: Client<HttpConnector, Incoming> = client();
                    while let Some(stream) = inbox.recv().await {
                        let stream = TcpStream::from_std(stream).unwrap();
                        tokio::spawn(serve(stream, client.clone(), upstream.clone()));
                    }
                });
            });
            connections
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::bind(at).await.unwrap();
        for thread in threads.iter().cycle() {
            let (stream, _) = listener.accept().await.unwrap();
            thread.send(stream.into_std().unwrap()).unwrap();
        }
    });
    true
}

fn client() -> Client<HttpConnector, Incoming> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1_024).build(connector)
}

async fn serve(stream: TcpStream, client: Client<HttpConnector, Incoming>, upstream: Authority) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request| pass(client.clone(), upstream.clone(), request));
    let _broken = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let uri = Uri::builder().scheme(Scheme::HTTP).authority(upstream).path_and_query(path);
    *request.uri_mut() = uri.build().unwrap();
    Ok(client.request(request).await.unwrap())
}
