//! Real mail and syslog servers: aiosmtpd, rsyslogd.

use std::fs;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{await_list, policy, session, states};
use crate::support::home::{Home, until};
use crate::support::parts;
use crate::support::process::{Line, PATIENCE, Piped};

/// A certificate for `localhost` and its key, as files.
fn certificate(home: &Home) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (home.path("cert.pem"), home.path("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

#[test]
fn mail_reaches_a_real_server_by_starttls_by_tls_and_on_loopback_without() {
    for (mode, scheme) in [("plain", "smtp"), ("starttls", "smtp+starttls"), ("tls", "smtps")] {
        let Some(python) = parts::python("alerts by mail") else { return };
        let home = Home::new();
        let (cert, key) = certificate(&home);
        let words = python.script("servers/smtp.py");
        let mut command = Command::new(&words[0]);
        let server = Piped::start(command.args(&words[1..]).arg(mode).args([&cert, &key]));
        let Line::Said(port) = server.line(PATIENCE) else { panic!("{mode}: {}", server.stderr()) };
        let port = String::from_utf8(port).unwrap();
        let sign_in =
            if mode == "plain" { "" } else { "user_env = \"MAIL_USER\"\npassword_env = \"MAIL_PASSWORD\"\n" };
        let to = format!(
            "[alerts.to.team]\nkind = \"email\"\nsmtp = \"{scheme}://localhost:{}\"\nfrom = \"gate@example.com\"\n\
             to = [\"a@example.com\", \"b@example.com\"]\n{sign_in}",
            port.trim()
        );
        home.write_policy(&policy("enforce", &to));
        let cert = cert.to_str().unwrap();
        let environment =
            [("SSL_CERT_FILE", cert), ("MAIL_USER", "user"), ("MAIL_PASSWORD", "canary-password")];
        let _client = session(&home, &environment, &["delete_file"]);
        let told: Value = server.json_line();
        assert_eq!(told["to"].as_array().unwrap().len(), 2, "{told}");
        assert_eq!(told["tls"], mode != "plain", "{told}");
        assert_eq!(told["user"].as_str(), (mode != "plain").then_some("user"), "{told}");
        let text = told["text"].as_str().unwrap();
        assert!(
            text.contains("delete_file") && text.contains("no-deleting") && !text.contains("canary"),
            "{text}"
        );
        let alerts = await_list(&home, "delivered", |alerts| states(alerts) == ["delivered"]);
        assert!(text.contains(alerts[0]["id"].as_str().unwrap()), "{text}");
    }
}

/// A real rsyslogd that writes what it takes to a file, message by message.
struct Rsyslog {
    _server: Piped,
    file: PathBuf,
    ports: [u16; 3],
}

impl Rsyslog {
    fn start(home: &Home) -> Option<Self> {
        let program = ["/usr/sbin/rsyslogd", "/usr/local/sbin/rsyslogd"]
            .into_iter()
            .find(|path| fs::exists(path).unwrap());
        let Some(program) = program else {
            parts::not_run("alerts by syslog", "rsyslogd", "install rsyslog and rsyslog-gnutls");
            return None;
        };
        let (cert, key) = certificate(home);
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ports = [udp, free(), free()];
        let (file, config) = (home.path("syslog"), home.path("rsyslog.conf"));
        let [udp, tcp, tls] = ports;
        let text = format!(
            "global(workDirectory=\"{folder}\" defaultNetstreamDriverCAFile=\"{cert}\" \
             defaultNetstreamDriverCertFile=\"{cert}\" defaultNetstreamDriverKeyFile=\"{key}\")\n\
             module(load=\"imudp\")\nmodule(load=\"imtcp\")\n\
             template(name=\"whole\" type=\"string\" string=\"%pri% %protocol-version% %app-name% %msgid% %msg%\\n\")\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tls}\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\n\
             action(type=\"omfile\" file=\"{file}\" template=\"whole\")\n",
            folder = home.path("").display(),
            cert = cert.display(),
            key = key.display(),
            file = file.display(),
        );
        fs::write(&config, text).unwrap();
        let pid = home.path("rsyslog.pid");
        let mut command = Command::new(program);
        let server = Piped::start(command.args(["-n", "-f"]).arg(&config).arg("-i").arg(&pid));
        for port in [tcp, tls] {
            let listens = until(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
            assert!(listens.is_some(), "{}", server.stderr());
        }
        Some(Self { _server: server, file, ports })
    }
}

#[test]
fn syslog_reaches_a_real_receiver_over_udp_tcp_and_tls() {
    let home = Home::new();
    let Some(rsyslog) = Rsyslog::start(&home) else { return };
    let [udp, tcp, tls] = rsyslog.ports;
    let one = |name: &str, address: String, format: &str| {
        format!("[alerts.to.{name}]\nkind = \"syslog\"\naddress = \"{address}\"\nformat = \"{format}\"\n")
    };
    let to = one("udp", format!("udp://127.0.0.1:{udp}"), "cef")
        + &one("tcp", format!("tcp://localhost:{tcp}"), "json")
        + &one("tls", format!("tls://localhost:{tls}"), "cef");
    home.write_policy(&policy("enforce", &to));
    let cert = home.path("cert.pem");
    let _client =
        session(&home, &[("SSL_CERT_FILE", cert.to_str().unwrap())], &["delete_file", "delete_all"]);
    let read = || fs::read_to_string(&rsyslog.file).unwrap_or_default();
    let lines = until(PATIENCE, || Some(read()).filter(|text| text.lines().count() >= 6));
    let lines = lines.unwrap_or_else(|| panic!("{}\n{:#?}", read(), await_list(&home, "there", |_| true)));
    assert_eq!(lines.lines().count(), 6, "{lines}");
    for line in lines.lines() {
        // 107: log audit, error.
        assert!(line.starts_with("107 1 callgate call ") && !line.contains("canary"), "{line}");
    }
    let cef = lines.lines().filter(|line| line.contains("CEF:0|callgate|callgate|")).count();
    let json = lines.lines().filter_map(|line| line.split_once('{').map(|(_, rest)| format!("{{{rest}")));
    let json: Vec<Value> = json.map(|text| serde_json::from_str(&text).unwrap()).collect();
    assert_eq!((cef, json.len()), (4, 2), "{lines}");
    await_list(&home, "delivered", |alerts| states(alerts) == ["delivered"; 6]);
}
