//! The lines with which the README begins, as a program.

fn main() {
    let client = via_client::blocking::Client::start().expect("VIA_URL, or http://127.0.0.1:8080");
    client.event("web", via_client::Event::new("host-1", 12.5).attribute("route", "/login"));
    assert!(client.flush(std::time::Duration::from_secs(30)));
}
