//! Lines and their shapes.

use proptest::prelude::*;

use super::super::mask::mask;

fn shape(line: &str) -> String {
    let mut out = Vec::new();
    mask(line.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (line, expected) in table {
        assert_eq!(shape(line), *expected, "of {line:?}");
    }
}

#[test]
fn numbers_are_values() {
    check(&[
        ("took 5 tries", "took <*> tries"),
        ("took -5.25 tries", "took <*> tries"),
        ("load 3.5e-7, 12%", "load <*>"),
        ("at 12:30:45.123: done", "at <*>: done"),
        ("in 5 ms or 5ms or 1.2 seconds", "in <*> or <*> or <*>"),
        ("lifetime <1 sec", "lifetime <*>"),
        ("waited 15µs 5 %", "waited <*> %"),
        ("用户12在34登录", "用户<*>在<*>登录"),
        ("5 apples", "<*> apples"),
        ("n=0x1F;m=017", "n=<*>; m=<*>"),
        ("size=12KB", "size=<*>"),
        ("<6>usb ready", "<<*>>usb ready"),
        ("range 1-5, 7 and .5", "range <*> and <*>"),
        ("version v1.2.3-rc1", "version <*>"),
    ]);
}

#[test]
fn names_with_a_number_keep_their_name() {
    check(&[
        ("eth0: up", "eth<*>: up"),
        ("block blk_-386 lost", "block blk_<*> lost"),
        ("CPU#3 hot", "CPU#<*> hot"),
        ("jk2_init() ok", "jk<*>_init() ok"),
        ("worker-12 idle", "worker-<*> idle"),
    ]);
}

#[test]
fn ids_are_values() {
    check(&[
        ("id 8d3c2f1a-77aa-4c1e-9f00-aabbccddeeff.", "id <*>."),
        ("id deadbeef-dead-beef-dead-beefdeadbeef", "id <*>"),
        ("commit a489c868f0c3", "commit <*>"),
        ("attempt_1445_0020_m_000002_0 done", "<*> done"),
        ("block decade of decades", "block decade of decades"),
        ("object java.lang.Object@1f2e3d gone", "object <*> gone"),
    ]);
}

#[test]
fn addresses_and_hosts_are_values() {
    check(&[
        ("from 10.0.0.1:8080 port 22", "from <*> port <*>"),
        ("from fe80::1ff:fe23:4567:890a!", "from <*>!"),
        ("on ::1 and [2001:db8::1]:443", "on <*> and [<*>]:<*>"),
        ("mac 00:1b:44:11:3a:b7 seen", "mac <*> seen"),
        ("host db.internal and mail.example.co.uk", "host <*> and <*>"),
        ("for alice@example.com, root@localhost", "for <*>"),
        ("proxy.example.org:5070 close", "<*> close"),
        ("org.apache.Thing failed in mice.c", "org.apache.Thing failed in mice.c"),
        ("std::vec is a: b", "std::vec is a: b"),
    ]);
}

#[test]
fn paths_and_urls_are_values() {
    check(&[
        ("open /var/log/a.log: denied", "open <*>: denied"),
        ("open C:\\Windows\\a.log, D:/b", "open <*>"),
        ("share \\\\srv\\x$ gone", "share <*> gone"),
        ("get https://example.com/a?b=c.", "get <*>."),
        ("read dfs/data/current now", "read <*> now"),
        ("and/or read/write", "and/or read/write"),
        ("run (/etc/cron.hourly)", "run (<*>)"),
    ]);
}

#[test]
fn quoted_strings_are_values_unless_they_tell_something() {
    check(&[
        ("open \"my file\" now", "open <*> now"),
        ("device '/udev/vcs2'", "device <*>"),
        ("can't open, don't try", "can't open, don't try"),
        ("say \"a \\\" b\" twice", "say <*> twice"),
        ("an open \"quote", "an open \"quote"),
        ("\"GET /a/b HTTP/1.1\" 200", "\"GET <*> HTTP/<*>\" <*>"),
        (
            "level=info msg=\"it broke 5 times\" by=\"me\"",
            "level=info msg=\"it broke <*> times\" by=<*>",
        ),
        (
            "{\"level\":\"warn\",\"user\":\"al b\",\"n\":5}",
            "{\"level\":\"warn\", \"user\":<*>, \"n\":<*>}",
        ),
    ]);
}

#[test]
fn dates_are_values() {
    check(&[
        ("at Fri Jun 17 07:07:00 2005 (GMT)", "at <*> (GMT)"),
        ("on Monday, March 5", "on <*>"),
        ("Sun may rise in May", "Sun may rise in May"),
        ("[12/Mar/2024:10:11:12 +0000]", "[<*>]"),
    ]);
}

#[test]
fn a_list_of_values_is_one() {
    check(&[
        ("ids 1, 2,3 ; 4", "ids <*>"),
        ("delete blk_1 blk_2 blk_3 now", "delete blk_<*> now"),
        ("delete blk_1, blk_2, blk_3.", "delete blk_<*>, blk_<*>."),
        ("10.0.0.1:80 -> 10.0.0.2:81", "<*> -> <*>"),
        ("the the cat", "the the cat"),
    ]);
}

#[test]
fn blanks_are_even_and_only_the_first_line_counts() {
    check(&[
        ("  a \t b  ", "a b"),
        ("a,b;c|d", "a, b; c| d"),
        ("\n\nfailed: x\n  at y\n  at z", "failed: x"),
        ("\u{1b}[31mred\u{1b}[0m end", "red end"),
        ("", ""),
        ("   ", ""),
    ]);
}

proptest! {
    #[test]
    fn the_shape_of_a_shape_is_itself(line in prop::collection::vec(piece(), 0..12)) {
        let once = shape(&line.concat());
        prop_assert_eq!(shape(&once), once);
    }

    #[test]
    fn the_shape_of_any_text_is_at_most_three_times_as_long(line in "\\PC{0,200}") {
        let shape = shape(&line);
        prop_assert!(shape.len() <= line.len() * 3 + 3);
    }
}

/// Pieces of lines, with all that the scan treats in its own way.
fn piece() -> impl Strategy<Value = String> {
    let text = prop::sample::select(vec![
        " ",
        " ",
        " ",
        ",",
        ";",
        "|",
        ":",
        "=",
        "-",
        ".",
        "/",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "\"",
        "'",
        "`",
        "@",
        "#",
        "%",
        "+",
        "~",
        "*",
        "<*>",
        "::",
        "://",
        "a",
        "f",
        "zz",
        "blk_",
        "GET ",
        "msg",
        "Jun ",
        "Fri",
        "ms",
        "KB",
        "10",
        "7",
        "0x1f",
        "a.com",
        "é",
        "\t",
        "_",
        "1.2.3.4",
        "8d3c2f1a-77aa-4c1e-9f00-aabbccddeeff",
    ]);
    text.prop_map(str::to_owned)
}
