//! Log lines to templates: shapes met before, and a shape that is new each time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use via_engine::{Source, TemplateOptions, Templates};

/// Lines of five programs, with other values each time.
fn lines(count: u64) -> Vec<String> {
    let line = |n: u64| {
        let (a, b) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n % 251);
        match n % 5 {
            0 => format!("Accepted password for user{b} from 10.0.{b}.7 port {} ssh2", a >> 48),
            1 => format!(
                "10.1.2.{b} - - [12/Mar/2024:10:11:{} +0000] \"GET /v1/items/{a} HTTP/1.1\" 200 {b}",
                n % 60
            ),
            2 => format!(
                "Removed block broadcast_{n}_piece0 on 10.0.0.{b}:43021 in memory (size: {b} KB)"
            ),
            3 => format!("level=info msg=\"request served\" id={a:016x} status=200 took={b}ms"),
            _ => format!("pam_unix(cron:session): session opened for user u{b} by (uid={n})"),
        }
    };
    (0..count).map(line).collect()
}

fn templates(criterion: &mut Criterion) {
    let lines = lines(10_000);
    let source = Source::new("bench", "info");
    let mut group = criterion.benchmark_group("templates");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("known shapes", |bench| {
        let mut templates = Templates::new(TemplateOptions::default());
        bench.iter(|| {
            for line in &lines {
                black_box(templates.assign(source, line.as_bytes()));
            }
        });
    });
    let strange: Vec<String> = (0..10_000u32).map(strange).collect();
    group.bench_function("shapes never seen", |bench| {
        let mut templates = Templates::new(TemplateOptions::default());
        bench.iter(|| {
            for line in &strange {
                black_box(templates.assign(source, line.as_bytes()));
            }
        });
    });
    group.finish();
}

/// Returns a line of twelve words that no other line has.
fn strange(number: u32) -> String {
    let mut state = u64::from(number) + 1;
    let mut word = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let letters = (0..6).map(|at| (b'a' + ((state >> (at * 5 + 20)) % 26) as u8) as char);
        letters.chain([' ']).collect::<String>()
    };
    (0..12).map(|_| word()).collect()
}

criterion_group!(benches, templates);
criterion_main!(benches);
