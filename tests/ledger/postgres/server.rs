//! A throw-away Postgres server for tests, made from the programs that are installed here.
//!
//! A shell starts it, does as it is told on its standard input, and ends it when that is closed: by
//! us, or by the system when this process is gone, however it ended.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, Once};

/// Set to `skip`: tests that need Postgres do nothing, and say so.
const CHOICE: &str = "FLYBALL_TEST_POSTGRES";

/// With signs that a URL has to escape.
pub(crate) const PASSWORD: &str = "s3cr3t@/:?%x";
pub(crate) const ESCAPED_PASSWORD: &str = "s3cr3t%40%2F%3A%3F%25x";

const SCRIPT: &str = r#"
set -e
cd "$FOLDER"
umask 077
printf %s "$PASSWORD" > password
initdb -D data -U flyball -E UTF8 --locale=C --auth-local=trust --auth-host=scram-sha-256 \
    --pwfile=password --no-sync > made 2>&1 || { cat made >&2; exit 1; }
printf %s "$CONFIGURATION" >> data/postgresql.conf
for file in *.pem; do [ ! -e "$file" ] || install -m 600 "$file" data/; done
start() { pg_ctl -D data -l log -w -t 60 start > started 2>&1 || { cat started log >&2; return 1; }; }
start && echo ready || exit 1
while read -r order; do
    case $order in
        start) start ;;
        stop) pg_ctl -D data -m fast -w stop > stopped ;;
        crash) pg_ctl -D data -m immediate -w stop > stopped ;;
    esac
    echo done
done
pg_ctl -D data -m immediate -w stop > stopped 2>&1 || :
cd / && rm -rf "$FOLDER"
"#;

/// The server that tests share. It keeps nothing safe from a loss of power.
pub(crate) fn shared() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start("fsync = off\n", &[]));
    &SHARED
}

/// Whether tests that need Postgres are wanted.
pub(crate) fn is_wanted() -> bool {
    static TOLD: Once = Once::new();
    let skip = std::env::var(CHOICE).is_ok_and(|choice| choice == "skip");
    if skip {
        // Not captured by the harness.
        TOLD.call_once(|| {
            let told = format!("\n{CHOICE}=skip: tests of the Postgres ledger do nothing\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
        });
    }
    !skip
}

pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    databases: AtomicU64,
    control: Mutex<Control>,
}

struct Control {
    _shell: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    /// With these lines of configuration, and these files (name, text) in its folder.
    pub(crate) fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        // A port that is free now can be taken a moment later.
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::try_start(settings, files) {
                Some(server) => return server,
                None => assert!(tries < 5, "Postgres did not start; what it said is above"),
            }
        }
    }

    fn try_start(settings: &str, files: &[(&str, &str)]) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("flyball-pg").tempdir_in("/tmp").unwrap();
        // The shell removes it.
        let folder = folder.keep();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let configuration = format!(
            "listen_addresses = 'localhost'\nport = {port}\nunix_socket_directories = '{}'\n\
             max_connections = 200\nshared_buffers = 32MB\n{settings}",
            folder.display()
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]);
        shell.env("FOLDER", &folder).env("PASSWORD", PASSWORD).env("CONFIGURATION", configuration);
        shell.env("PATH", format!("{}:{}", programs().display(), std::env::var("PATH").unwrap()));
        as_nobody_special(&mut shell, &folder);
        // Of its own, so that Ctrl-C in a terminal reaches us first.
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = shell.stdin.take().unwrap();
        let mut answers = BufReader::new(shell.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        if line != "ready\n" {
            shell.wait().unwrap();
            fs::remove_dir_all(&folder).unwrap();
            return None;
        }
        let control = Mutex::new(Control { _shell: shell, orders, answers });
        Some(Self { folder, port, databases: AtomicU64::new(0), control })
    }

    /// `start`, `stop` or `crash`; back once it is done.
    pub(crate) fn order(&self, order: &str) {
        let mut control = self.control.lock().unwrap();
        control.orders.write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut line = String::new();
        control.answers.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "{order}");
    }

    /// A file in its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// By its socket, without a password.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://flyball@{folder}:{}/{database}", self.port)
    }

    /// By the network, with a password.
    pub(crate) fn network_url(&self, database: &str) -> String {
        format!("postgres://flyball:{ESCAPED_PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// A database of its own.
    pub(crate) fn database(&self) -> Database<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        sql(&self.url("postgres"), &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Database { server: self, name }
    }
}

/// A database that goes with its name.
pub(crate) struct Database<'a> {
    server: &'a Server,
    name: String,
}

impl Database<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub(crate) fn network_url(&self) -> String {
        self.server.network_url(&self.name)
    }

    /// Runs statements; how many rows the last one touched.
    pub(crate) fn sql(&self, statements: &str) -> u64 {
        sql(&self.url(), statements)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            sql(&self.server.url("postgres"), &drop);
        }
    }
}

/// Runs statements on a connection of their own; how many rows the last one touched.
pub(crate) fn sql(url: &str, statements: &str) -> u64 {
    Line::open(url).sql(statements)
}

/// A connection that stays, with what it holds.
pub(crate) struct Line {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
}

impl Line {
    pub(crate) fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, line) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(line);
            client
        });
        Self { client, runtime }
    }

    pub(crate) fn sql(&self, statements: &str) -> u64 {
        use tokio_postgres::SimpleQueryMessage::CommandComplete;
        let answers = self.runtime.block_on(self.client.simple_query(statements));
        let answers = answers.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
        let counts = answers.iter().filter_map(|answer| match answer {
            CommandComplete(count) => Some(*count),
            _ => None,
        });
        counts.last().unwrap()
    }
}

/// The folder of `initdb`, `pg_ctl` and `postgres`.
fn programs() -> PathBuf {
    installed().unwrap_or_else(|| {
        panic!(
            "the Postgres ledger is tested on a server of its own, and no initdb, pg_ctl and \
             postgres are in PATH or /usr/lib/postgresql: install them (Debian: apt-get install \
             postgresql; macOS: brew install postgresql), or set {CHOICE}=skip"
        )
    })
}

/// The same, where there are any.
pub(crate) fn installed() -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).exists())
    };
    let path = std::env::var_os("PATH").unwrap();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for root in ["/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt"] {
        let Ok(versions) = fs::read_dir(root) else { continue };
        let mut versions: Vec<_> =
            versions.map(|entry| entry.unwrap().path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders.into_iter().find(has_all)
}

/// Postgres refuses to run as root; then it runs as a user who may do little.
fn as_nobody_special(shell: &mut Command, folder: &Path) {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    if fs::metadata(folder).unwrap().uid() != 0 {
        return;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |wanted: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let ids: Vec<&str> = line.split(':').collect();
        Some((ids[2].parse::<u32>().unwrap(), ids[3].parse::<u32>().unwrap()))
    };
    let (user, group) = of("postgres").or_else(|| of("nobody")).unwrap();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([folder.to_owned()]) {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
    shell.uid(user).gid(group);
}
