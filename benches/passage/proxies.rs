//! What stands between: nginx as the floor, and flyball.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// nginx, set up to pass bodies and streams on at once.
pub(super) struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it before `upstream`; `None` where it is not installed.
    pub(super) fn start(upstream: SocketAddr) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let root = folder.path().display();
        let config = format!(
            "daemon off; worker_processes 2; pid {root}/pid; error_log {root}/error.log;
             events {{ worker_connections 8192; }}
             http {{
               access_log off; client_max_body_size 64m; client_body_buffer_size 1m;
               keepalive_requests 100000000; client_body_temp_path {root}/body;
               proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u;
               scgi_temp_path {root}/s;
               upstream api {{ server {upstream}; keepalive 2048; keepalive_requests 100000000; }}
               server {{
                 listen {address} backlog=4096;
                 location / {{
                   proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection '';
                   proxy_buffering off; proxy_request_buffering on;
                 }}
               }}
             }}"
        );
        let path = folder.path().join("nginx.conf");
        std::fs::write(&path, config).unwrap();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&path)
            .args(["-p", folder.path().to_str().unwrap()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address, _folder: folder })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it on a polite word, and only then.
        let id = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _status = self.child.wait();
    }
}

/// The gateway, on a ledger with ample budgets.
pub(super) struct Flyball {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Flyball {
    pub(super) fn start(upstream: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let flyball = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
            command.args(arguments).current_dir(folder.path()).env_clear();
            command.env("HOME", folder.path()).stdin(Stdio::null());
            command
        };
        let set = flyball(&["budget", "set", "day", "1000000usd"]).output().unwrap();
        assert!(set.status.success());
        let upstream = format!("http://{upstream}");
        let mut child = flyball(&["gateway", "--quiet", "--listen", "127.0.0.1:0"])
            .args(["--upstream", &upstream])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
        let address = address.parse().unwrap();
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(drop));
        Self { child, address, _folder: folder }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; what it says it did.
    pub(super) fn stop(mut self) -> String {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.child.wait().unwrap();
        text
    }
}
