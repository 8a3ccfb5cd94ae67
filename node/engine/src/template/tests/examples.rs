//! Lines as common programs write them, and the templates they make.

use super::super::*;
use super::ids;

/// Returns how the lines are grouped: for each the number of its group.
fn groups(lines: &[&str]) -> Vec<usize> {
    let mut templates = Templates::new(TemplateOptions::default());
    let ids = ids(&mut templates, lines);
    let mut seen = Vec::new();
    let mut number = |id: &TemplateId| {
        seen.iter().position(|other| other == id).unwrap_or_else(|| {
            seen.push(*id);
            seen.len() - 1
        })
    };
    ids.iter().map(&mut number).collect()
}

fn texts(lines: &[String]) -> Vec<String> {
    let mut templates = Templates::new(TemplateOptions::default());
    ids(&mut templates, lines);
    let mut texts: Vec<String> =
        templates.ids().map(|id| templates.template(id).unwrap().text.into_owned()).collect();
    texts.sort();
    texts
}

#[test]
fn a_word_late_in_a_long_line_is_a_value_at_once() {
    let lines = [
        "Accepted password for alice from 10.0.0.1 port 49116 ssh2",
        "Accepted password for bob from 10.0.0.2 port 22 ssh2",
        "Failed password for bob from 10.0.0.2 port 22 ssh2",
        "Failed password for carol from gate.example.org port 22 ssh2",
        "Failed publickey for carol from gate.example.org port 22 ssh2",
    ];
    assert_eq!(groups(&lines), [0, 0, 1, 1, 2]);
}

#[test]
fn words_that_say_how_it_ended_tell_templates_apart() {
    let lines = [
        "backup of volume data to vault completed after 5 minutes",
        "backup of volume data to vault failed after 5 minutes",
        "backup of volume logs to vault failed after 5 minutes",
        "interface eth0 of bridge br1 is now up",
        "interface eth1 of bridge br1 is now down",
    ];
    assert_eq!(groups(&lines), [0, 1, 1, 2, 3]);
}

#[test]
fn a_key_is_no_value_and_its_word_a_choice_until_many_are_seen() {
    let lines = [
        "auth failure; uid=0 tty=ssh rhost=10.0.0.1 user=root",
        "auth failure; uid=0 tty=ssh rhost=10.0.0.2 user=guest",
        "auth failure; uid=0 tty=ssh rhost=10.0.0.3 group=guest",
        "auth failure; uid=0 tty=ssh rhost= user=root",
    ];
    assert_eq!(groups(&lines), [0, 1, 2, 0]);
    let many: Vec<String> = ["root", "guest", "test", "mail", "news", "bin", "sync", "games"]
        .iter()
        .map(|user| format!("auth failure; uid=0 tty=ssh rhost=10.0.0.1 user={user}"))
        .collect();
    assert_eq!(texts(&many), ["auth failure; uid=<*> tty=ssh rhost=<*> user=<*>"]);
}

#[test]
fn a_leading_word_that_takes_many_forms_is_a_value() {
    let few: Vec<String> =
        ["alice", "bob"].iter().map(|who| format!("{who} left the room")).collect();
    assert_eq!(texts(&few), ["alice left the room", "bob left the room"]);
    let many: Vec<String> = (b'a'..=b'z')
        .map(|letter| format!("{} left the room", char::from(letter).to_string().repeat(4)))
        .collect();
    assert_eq!(texts(&many), ["<*> left the room"]);
}

#[test]
fn messages_of_one_word_stay_apart_for_long() {
    let words: Vec<String> = (b'a'..b'u').map(|letter| char::from(letter).to_string()).collect();
    assert_eq!(texts(&words).len(), 20);
}

#[test]
fn an_absorbed_template_is_told_and_its_id_is_not_given_again() {
    let mut templates = Templates::new(TemplateOptions::default());
    let line = |user: &str| format!("auth failure; uid=0 tty=ssh rhost=10.0.0.1 user={user}");
    let users = ["root", "guest", "test", "mail"];
    let before: Vec<TemplateId> =
        users.iter().map(|user| templates.assign(Source(7), line(user).as_bytes()).id).collect();
    let last = templates.assign(Source(7), line("news").as_bytes());
    assert_eq!(last, Assigned { id: before[0], news: News::General });
    let mut absorbed = templates.absorbed().to_vec();
    absorbed.sort();
    let mut expected = before[1..].to_vec();
    expected.sort();
    assert_eq!(absorbed, expected);
    let again = templates.assign(Source(7), line("guest").as_bytes());
    assert_eq!(again, Assigned { id: before[0], news: News::Known });
    assert!(templates.absorbed().is_empty());
    assert_eq!(templates.template(before[0]).unwrap().lines, 6);
}

#[test]
fn access_logs() {
    let lines = [
        "10.0.0.1 - - [12/Mar/2024:10:11:12 +0000] \"GET /a?x=1 HTTP/1.1\" 200 512 \"-\" \"curl/8\"",
        "10.0.0.2 - alice [12/Mar/2024:10:11:13 +0000] \"GET / HTTP/1.0\" 404 0 \"-\" \"Mozilla/5.0 (X11)\"",
        "10.0.0.1 - - [12/Mar/2024:10:11:12 +0000] \"POST /login HTTP/1.1\" 302 0 \"-\" \"curl/8\"",
    ];
    assert_eq!(groups(&lines), [0, 0, 1]);
}

#[test]
fn logs_of_keys_and_values() {
    let lines = [
        "level=info msg=\"request served\" path=/a status=200 took=1.2ms",
        "level=info msg=\"request served\" path=/b/c status=404 took=3s",
        "level=info msg=\"worker started\" path=/b/c status=404 took=3s",
        "{\"level\":\"error\",\"msg\":\"cannot connect\",\"peer\":\"n3\",\"try\":5}",
        "{\"level\":\"error\",\"msg\":\"cannot connect\",\"peer\":\"n4 or so\",\"try\":17}",
    ];
    assert_eq!(groups(&lines), [0, 0, 1, 2, 2]);
}

#[test]
fn logs_of_kernels_and_services() {
    let lines = [
        "[  123.456789] Out of memory: Kill process 1234 (java) score 905 or sacrifice child",
        "[ 9923.456789] Out of memory: Kill process 77 (mysqld) score 12 or sacrifice child",
        "usb 1-1.2: new high-speed USB device number 5 using xhci_hcd",
        "usb 2-1: new full-speed USB device number 12 using ohci-pci",
        "usb 2-1: USB disconnect, device number 3",
        "(root) CMD (run-parts /etc/cron.hourly)",
        "Removed block broadcast_12_piece0 on 10.0.0.5:43021 in memory (size: 5.2 KB, free: 2.1 GB)",
        "Removed block broadcast_9_piece1 on db.internal:43021 in memory (size: 5.0 B, free: 20 MB)",
    ];
    assert_eq!(groups(&lines), [0, 0, 1, 1, 2, 3, 4, 4]);
}
