# What a developer runs by name; `.ci/run` needs none of it.

# Format and lints, as in CI.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# The tests; arguments go to cargo test.
test *args:
    ./test {{args}}

# Rewrites the expected output in the tests; read the diff before committing it.
golden *args:
    UPDATE_EXPECT=1 ./test {{args}}

# Benchmarks of the stages, seeded.
bench *args:
    cargo bench --locked {{args}}

# `tidegate detect` against DuckDB, Polars and chdb on the same files; needs Python 3 and PyPI once.
bench-peers *args:
    python3 benches/peers.py {{args}}

# PyOD's detectors on what `tidegate evaluate --features` wrote; needs Python 3 and PyPI once.
bench-pyod *args:
    python3 benches/pyod_compare.py {{args}}

# Fuzzes one target; needs nightly Rust and cargo-fuzz.
fuzz target secs="600":
    cargo +nightly fuzz run {{target}} -- -max_total_time={{secs}}

# Licences, duplicate versions and sources of the dependencies.
deny:
    cargo deny check bans licenses sources

# The documentation of every crate, private items too.
doc:
    cargo doc --workspace --no-deps --document-private-items --locked --open

# Everything a change must pass.
ci:
    .ci/run

# The main job on made-up traffic.
demo *args:
    cargo run --release --locked -- demo {{args}}
