# Short names for plain cargo commands; nothing depends on them.

# List what there is.
default:
    @just --list

# Everything that must pass before a change lands; writes nothing.
verify:
    .ci/run

# What can be repaired without thinking.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# The ordinary tests.
test:
    cargo test --workspace

# The repository's own rules alone.
tidy:
    cargo test -p via-node --test tidy

# See it work.
demo *arguments:
    cargo run --release -- demo {{arguments}}

# Attack a release build for longer than the tests do.
attack rounds="20" seed="1":
    cargo build --release -p via-node
    cargo run --release -p via-jepsen -- run --node target/release/via-node --rounds {{rounds}} --seed {{seed}}

# One workload while faults strike one node; see `via-jepsen list`.
fault workload="acked-set" nemesis="kill,power" time="60":
    cargo build --release -p via-node
    cargo run --release -p via-jepsen -- test --nodes 1 --workload {{workload}} --nemesis {{nemesis}} --time {{time}} --node target/release/via-node

# Simulated clusters, one per seed.
simulate seeds="1000" from="0":
    cargo run --release -p via-sim -- --seeds {{seeds}} --from {{from}}

# Planted bugs, each of which must be found.
mutants:
    cargo run -p via-jepsen -- mutants

# Licences, bans, advisories (needs cargo-deny).
deny:
    cargo deny check
