//! TLS between clients and the gateway: what is served over it, and what comes of bad files, bad
//! clients and certificates that change.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flyball::gateway::{
    Gateway as Served, GatewayLimits, GatewaySettings, Held, Later, Refused, ServerTls, Tariff,
    Till, Upstream as Api, Wanted,
};
use flyball::pricing::{PriceTable, shipped_files};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::stand::{Books, Gateway, PATIENCE, request, streaming};
use crate::upstream::stand::Stand as Upstream;

/// A certificate of `localhost` and `127.0.0.1` that signs itself, and who trusts it.
struct Signed {
    own: CertifiedKey<KeyPair>,
}

impl Signed {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        Self { own: generate_simple_self_signed(names).unwrap() }
    }

    /// Writes both files into the folder of `books`; the flags that name them.
    fn write(&self, books: &Books) -> [String; 4] {
        let (chain, key) = (file(books, "chain.pem"), file(books, "key.pem"));
        std::fs::write(&chain, self.own.cert.pem()).unwrap();
        std::fs::write(&key, self.own.signing_key.serialize_pem()).unwrap();
        let shown = |path: &PathBuf| path.to_str().unwrap().to_owned();
        ["--tls-cert".to_owned(), shown(&chain), "--tls-key".to_owned(), shown(&key)]
    }

    fn trusting(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.own.cert.der().to_vec())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// What comes back for `text` over TLS, to the end; an error where there is no handshake.
    fn say(&self, to: SocketAddr, protocols: &[&str], text: &str) -> std::io::Result<String> {
        let tcp = TcpStream::connect(to)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(self.trusting(protocols), name).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn ask(&self, to: SocketAddr, body: &Value) -> std::io::Result<String> {
        self.say(to, &["http/1.1"], &post(body))
    }
}

fn file(books: &Books, name: &str) -> PathBuf {
    books.path().with_file_name(name)
}

fn post(body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn start(books: &Books, upstream: &Upstream, flags: &[String]) -> Gateway {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Gateway::start(books, upstream, &flags)
}

#[test]
fn clients_are_answered_and_charged_over_tls() {
    let (books, upstream, signed) = (Books::new(), Upstream::new(), Signed::new());
    let gateway = start(&books, &upstream, &signed.write(&books));
    let whole = signed.ask(gateway.address(), &request("hello", 500)).unwrap();
    assert!(whole.starts_with("HTTP/1.1 200") && whole.contains("\"usage\""), "{whole}");
    let stream = signed.ask(gateway.address(), &streaming("hello", 500)).unwrap();
    assert!(stream.contains("event: message_stop"), "{stream}");
    // TLS 1.2 and 1.3 without a word about protocols, as old clients speak it.
    let health = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let health = signed.say(gateway.address(), &[], health).unwrap();
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert_eq!(gateway.stop().code, Some(0));
    assert_eq!(books.kinds(), ["reserve", "settle", "reserve", "shrink", "settle"]);
    books.assert_all_settled();
}

#[test]
fn the_live_page_is_served_over_tls_and_its_cookie_stays_there() {
    let (books, upstream, signed) = (Books::new(), Upstream::new(), Signed::new());
    let gateway = start(&books, &upstream, &signed.write(&books));
    let said = gateway.wait_for("watch it at ");
    let (_, link) = said.split_once("watch it at https://").expect("an address with https");
    let (host, path) = link.split_at(link.find('/').unwrap());
    let get = |path: &str, cookie: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n");
        signed.say(gateway.address(), &[], &format!("{head}connection: close\r\n\r\n")).unwrap()
    };
    let opened = get(path, "");
    let cookie = opened.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("one");
    assert!(opened.starts_with("HTTP/1.1 303") && cookie.ends_with("; Secure"), "{opened}");
    let cookie = cookie.split(';').next().unwrap();
    assert!(get("/ui", cookie).starts_with("HTTP/1.1 200"));
    let act = |origin: &str| {
        let body = r#"{"action":"pause","scope":"nobody"}"#;
        let head = format!(
            "POST /ui/act HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\norigin: {origin}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        signed.say(gateway.address(), &[], &head).unwrap()
    };
    let other = act(&format!("http://{host}"));
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    let own = act(&format!("https://{host}"));
    assert!(!own.starts_with("HTTP/1.1 403"), "{own}");
}

#[test]
fn who_speaks_no_tls_there_is_told_so_and_costs_nothing() {
    let (books, upstream, signed) = (Books::new(), Upstream::new(), Signed::new());
    let gateway = start(&books, &upstream, &signed.write(&books));
    let told = gateway.ask(&request("hello", 500), &[]);
    assert_eq!(
        (told.status, told.text().trim()),
        (400, "this gateway speaks TLS: use https:// in its address here")
    );
    // A handshake that offers what is not spoken, or trusts somebody else, is no connection.
    let body = request("hello", 500);
    assert!(signed.say(gateway.address(), &["h2"], &post(&body)).is_err());
    assert!(Signed::new().ask(gateway.address(), &body).is_err());
    assert!(signed.ask(gateway.address(), &body).unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(gateway.stop().code, Some(0));
    assert_eq!(books.kinds(), ["reserve", "settle"]);
}

#[test]
fn an_answer_on_its_way_comes_to_its_end_when_the_gateway_is_told_to_end() {
    let (books, upstream, signed) = (Books::new(), Upstream::new(), Signed::new());
    let gateway = start(&books, &upstream, &signed.write(&books));
    // One that never shakes hands keeps nobody from ending.
    let _silent = TcpStream::connect(gateway.address()).unwrap();
    let tcp = TcpStream::connect(gateway.address()).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(signed.trusting(&[]), name).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    stream.write_all(post(&streaming("hello", 500)).as_bytes()).unwrap();
    let mut seen = vec![0; 16];
    stream.read_exact(&mut seen).unwrap();
    let ended = std::thread::spawn(move || gateway.stop());
    stream.read_to_end(&mut seen).unwrap();
    let text = String::from_utf8(seen).unwrap();
    assert!(text.contains("event: message_stop"), "{text}");
    assert_eq!(ended.join().unwrap().code, Some(0));
    books.assert_all_settled();
}

#[cfg(unix)]
#[test]
fn a_certificate_is_read_again_on_sighup_and_a_bad_one_changes_nothing() {
    let (books, upstream) = (Books::new(), Upstream::new());
    let (first, second) = (Signed::new(), Signed::new());
    let gateway = start(&books, &upstream, &first.write(&books));
    let body = request("hello", 500);
    assert!(first.ask(gateway.address(), &body).is_ok());
    second.write(&books);
    gateway.signal(rustix::process::Signal::HUP);
    gateway.wait_for("was read again");
    assert!(first.ask(gateway.address(), &body).is_err());
    assert!(second.ask(gateway.address(), &body).is_ok());
    std::fs::write(file(&books, "key.pem"), "no key").unwrap();
    gateway.signal(rustix::process::Signal::HUP);
    gateway.wait_for("stays as it was");
    assert!(second.ask(gateway.address(), &body).is_ok());
}

#[test]
fn files_that_cannot_be_used_are_named_and_no_key_is_shown() {
    let (books, signed, other) = (Books::new(), Signed::new(), Signed::new());
    signed.write(&books);
    let chain = signed.own.cert.pem();
    let key = signed.own.signing_key.serialize_pem();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let torn = key.replacen('\n', "\n!", 1);
    let empty = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let foreign = other.own.signing_key.serialize_pem();
    for (name, chain, key, at_fault, words) in [
        ("no chain", "", &*key, "chain.pem", "there is no certificate in it"),
        ("the key twice", &*key, &*key, "chain.pem", "there is no certificate in it"),
        ("the chain twice", &*chain, &*chain, "key.pem", "there is no key in it"),
        ("encrypted", &*chain, &*encrypted, "key.pem", "is encrypted"),
        ("torn", &*chain, &*torn, "key.pem", "no PEM file"),
        ("not a key", &*chain, empty, "key.pem", "no key that TLS can use"),
        ("somebody else's", &*chain, &*foreign, "key.pem", "not the key of the certificate"),
    ] {
        let (cert_file, key_file) = (file(&books, "chain.pem"), file(&books, "key.pem"));
        std::fs::write(&cert_file, chain).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let (code, said) = books.fails(&[
            "gateway",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "chain.pem",
            "--tls-key",
            "key.pem",
        ]);
        assert_eq!(code, Some(6), "{name}: {said}");
        assert!(said.contains(at_fault) && said.contains(words), "{name}: {said}");
        for line in key.lines().filter(|line| !line.starts_with("-----") && line.len() > 8) {
            assert!(!said.contains(line), "{name} shows its key");
        }
    }
    let missing = ["gateway", "--tls-cert", "chain.pem", "--tls-key", "nowhere.pem"];
    let (code, said) = books.fails(&missing);
    assert!(code == Some(6) && said.contains("there is no file `nowhere.pem`"), "{said}");
    let (code, said) = books.fails(&["gateway", "--tls-cert", "chain.pem"]);
    assert!(code == Some(2) && said.contains("--tls-key"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let (books, upstream, signed) = (Books::new(), Upstream::new(), Signed::new());
    let flags = signed.write(&books);
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        let key = file(&books, "key.pem");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let gateway = Gateway::start(&books, &upstream, &flags);
        let said = gateway.said_first().iter().any(|line| line.contains("can read the key in"));
        assert_eq!(said, warned, "{mode:o}");
    }
}

/// A till that nobody reaches.
struct NoTill;

impl Till for NoTill {
    fn trouble(&self) -> Option<String> {
        None
    }

    fn reserve(&self, wanted: Wanted) -> Later<Result<Box<dyn Held>, Refused>> {
        Box::pin(async move { Err(Refused::Unavailable(format!("nobody pays {wanted:?}"))) })
    }
}

#[test]
fn a_handshake_that_does_not_come_about_is_cut() {
    let signed = Signed::new();
    let tls = ServerTls::new(&signed.own.cert.pem(), &signed.own.signing_key.serialize_pem());
    let limits =
        GatewayLimits { handshake_within: Duration::from_millis(50), ..GatewayLimits::default() };
    let settings =
        GatewaySettings { tls: Some(tls.unwrap()), limits, ..GatewaySettings::default() };
    let upstream = Api::new("http://127.0.0.1:1", None).unwrap();
    let prices = Arc::new(PriceTable::parse(&shipped_files()).unwrap());
    let served =
        Served::new(settings, upstream, Tariff::new(prices), Arc::new(NoTill), None, |_| {});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ends) = tokio::sync::oneshot::channel::<()>();
    let serving =
        runtime.spawn(async move { served.serve(listener, async { drop(ends.await) }).await });
    // A record of a handshake is announced, and the rest of it never comes; or nothing at all.
    for begun in [&b"\x16\x03\x01\x02\x00\x01"[..], b"\x16", b""] {
        let mut slow = TcpStream::connect(address).unwrap();
        slow.set_read_timeout(Some(PATIENCE)).unwrap();
        slow.write_all(begun).unwrap();
        let mut seen = Vec::new();
        // Closed or reset, but closed: nobody waits for PATIENCE.
        let cut = slow.read_to_end(&mut seen);
        let timed_out = cut.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!timed_out, "{begun:?} was waited for");
    }
    let health = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(signed.say(address, &[], health).unwrap().ends_with("ok\n"));
    end.send(()).unwrap();
    runtime.block_on(serving).unwrap().unwrap();
}
