//! The face with others on both sides: remote servers behind it, TLS and HTTP/2 before it, questions beside it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use callgate::store::{Keys, Scope};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};
use serde_json::json;

use super::modern::call;
use super::{Stage, recorder};
use crate::support::face::{Face, HttpClient, Request, key};
use crate::support::home::{Home, no_deleting};
use crate::support::process::PATIENCE;

#[test]
fn a_remote_server_is_served_as_a_child_is_in_both_eras() {
    let far = Stage::new("shadow");
    let home = Home::new();
    home.write_policy(&format!(
        "{}\n[servers.one]\nurl = \"http://{}/mcp/one\"\nheaders_env = {{ Authorization = \"FAR\" }}\n",
        no_deleting("enforce"),
        far.face.address
    ));
    let key = key(&home, "caller", None, &[Scope::Call]);
    let face = Face::of(
        home.callgate(["serve", "--listen", "127.0.0.1:0"]).env("FAR", format!("Bearer {}", far.key)),
    );
    let mut client = HttpClient::open(&face, "one", &key);
    assert_eq!(client.call("read_file", &json!({})).json()["result"]["content"][0]["text"], "ran");
    assert_eq!(client.call("delete_file", &json!({})).json()["error"]["code"], -32001);
    assert_eq!(face.ask(&call(&key, 3, "read_file")).json()["result"]["content"][0]["text"], "ran");
    assert_eq!(face.ask(&call(&key, 3, "delete_file")).json()["error"]["code"], -32001);
    assert_eq!(face.ask(&client.plain("DELETE")).status, 204);
    far.home.await_notices("session_ended", 1);
    let reached = far.reached();
    assert!(reached.matches("read_file").count() == 2 && !reached.contains("delete_file"), "{reached}");
}

#[test]
fn tls_is_spoken_with_a_certificate_of_ours() {
    let home = Home::new();
    home.write_policy(&format!("{}\n{}", no_deleting("enforce"), recorder(&home.path("record"))));
    let key = key(&home, "caller", None, &[Scope::Call]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(home.path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let face = Face::start(&home, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let tcp = TcpStream::connect(face.address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(tls, tcp);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    stream.write_all(&Request::post("/mcp/one", &key, &hello).bytes(face.address)).unwrap();
    let mut answer = String::new();
    // Servers that close without a word of farewell end it here as well.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"name\":\"recorder\""), "{answer}");
}

#[test]
fn http_2_goes_the_same_way() {
    let stage = Stage::new("enforce");
    let base = format!("http://{}", stage.face.address);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = crypto::ring::default_provider().install_default();
    let (version, status, refused) = runtime.block_on(async {
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let post = |host: Option<&str>| {
            let request =
                client.post(format!("{base}/mcp/one")).bearer_auth(&stage.key).body(hello.to_string());
            let request = request.header("Content-Type", "application/json").header("Accept", "*/*");
            host.map_or_else(
                || request.try_clone().unwrap(),
                |host| request.try_clone().unwrap().header("Host", host),
            )
        };
        let answer = post(None).send().await.unwrap();
        let foreign = post(Some("evil.example")).send().await.unwrap();
        (answer.version(), answer.status().as_u16(), foreign.status().as_u16())
    });
    assert_eq!((format!("{version:?}").as_str(), status, refused), ("HTTP/2.0", 200, 403));
}

#[test]
fn a_revoked_key_loses_what_it_listens_to() {
    let stage = Stage::new("shadow");
    let client = HttpClient::open(&stage.face, "one", &stage.key);
    let mut listening = stage.face.open(&client.plain("GET")).head();
    Keys::open(&stage.home.store()).unwrap().revoke("caller").unwrap();
    assert_eq!(listening.event(), None);
    let ping = client.message(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"}));
    assert_eq!(stage.face.ask(&ping).status, 401);
}

#[test]
fn a_question_is_answered_by_the_agent_of_its_key_and_reaches_nothing() {
    let home = Home::new();
    let record = home.path("record");
    let agents = "[agents.strict]\nmode = \"enforce\"\n[agents.loose]\nmode = \"shadow\"\n";
    home.write_policy(&format!("{}{agents}{}", no_deleting("off"), recorder(&record)));
    let keys = ["strict", "loose"].map(|agent| key(&home, agent, Some(agent), &[Scope::Check]));
    let face = Face::start(&home, &[]);
    let question = json!({"tool": "delete_file", "arguments": {}});
    let [strict, loose] = keys.map(|key| face.ask(&Request::post("/v1/check", &key, &question)).json());
    assert_eq!((&strict["decision"], &strict["enforcementMode"]), (&json!("deny"), &json!(null)), "{strict}");
    assert_eq!((&loose["decision"], &loose["wouldBlock"]), (&json!("allow"), &json!(true)), "{loose}");
    assert!(home.rows().is_empty() && !record.exists());
}
