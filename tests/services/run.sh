#!/usr/bin/env bash
# Runs the tests that need AWS against stand-ins on 127.0.0.1: moto (PyPI) for everything but Kinesis, and
# kinesis-local (npm) for Kinesis, which moto gets wrong after a split. Called by `./test services`.
#
# Both are installed once, under `services/` in the target directory, and started on free ports. They end with
# this script, however it ends: on a signal by their process ids, on `kill -9` because the pipe they read closes.
#
#   ./test services              runs the tests
#   ./test services s3           arguments go to the tests
#   ./test services --shell      starts a shell in an empty folder, where `tidegate` and every AWS tool meet the
#                                stand-ins and `stage` lays data into them
#   ./test services --install    installs, and stops there
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

readonly kinesis_local=kinesis-local@0.6.2
readonly start_secs_max=60

home=${CARGO_TARGET_DIR:-target}/services
mkdir -p "$home"
home=$(cd "$home" && pwd)
runs=''
pids=()

fail() {
    echo "test: $*" >&2
    exit 1
}

# is_installed FOLDER WHAT: whether the mark that ends an installation is there and says WHAT.
is_installed() {
    [[ -f $1/complete && $(<"$1/complete") == "$2" ]]
}

install_moto() {
    local wanted python=${PYTHON:-python3}
    wanted=$(<"$here/requirements.txt")
    is_installed "$home/moto" "$wanted" && return
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        fail "the stand-in for S3 needs Python 3.10 or later; PYTHON=... ./test services names another than python3"
    echo "test: installing moto into $home/moto, once" >&2
    # What an interrupted installation left is not worth looking at.
    rm -rf "$home/moto"
    "$python" -m venv "$home/moto" || fail "python3 cannot make a virtual environment (Debian: python3-venv)"
    "$home/moto/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
        fail "moto could not be installed from PyPI"
    echo "$wanted" >"$home/moto/complete"
}

install_kinesis() {
    is_installed "$home/kinesis" "$kinesis_local" && return
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        fail "the stand-in for Kinesis needs Node 20 or later, with npm"
    fi
    echo "test: installing $kinesis_local into $home/kinesis, once" >&2
    rm -rf "$home/kinesis"
    mkdir -p "$home/kinesis"
    npm install --prefix "$home/kinesis" --no-audit --no-fund --silent "$kinesis_local" ||
        fail "$kinesis_local could not be installed from npm"
    echo "$kinesis_local" >"$home/kinesis/complete"
}

# Nothing else runs before this one is done, so a second `./test services` waits instead of mending a half install.
install() {
    if command -v flock >/dev/null; then
        exec 8>"$home/lock"
        flock 8
    fi
    install_moto
    install_kinesis
    exec 8>&-
}

# Both read the pipe 9 and end when it closes; neither inherits its writing end.
start_moto() {
    TIDEGATE_PORT_FILE=$runs/moto.port PYTHONDONTWRITEBYTECODE=1 \
        "$home/moto/bin/python" "$here/moto_server.py" <"$runs/leash" >"$runs/moto.log" 2>&1 9>&- &
    pids+=($!)
}

# It keeps every record of a run in memory, so the heap may grow past Node's default.
start_kinesis() {
    cd "$home/kinesis/node_modules/kinesis-local"
    TIDEGATE_PORT_FILE=$runs/kinesis.port KINESIS_MOCK_PLAIN_PORT=4568 KINESIS_MOCK_TLS_PORT=4567 \
        CREATE_STREAM_DURATION=50ms DELETE_STREAM_DURATION=50ms SPLIT_SHARD_DURATION=50ms \
        MERGE_SHARDS_DURATION=50ms UPDATE_SHARD_COUNT_DURATION=50ms REGISTER_STREAM_CONSUMER_DURATION=50ms \
        DEREGISTER_STREAM_CONSUMER_DURATION=50ms SHARD_LIMIT=5000 \
        node --max-old-space-size=8192 --require "$here/loopback.cjs" main.js \
        <"$runs/leash" >"$runs/kinesis.log" 2>&1 9>&- &
    pids+=($!)
    cd "$here/../.."
}

# wait_for NAME PID: until the stand-in has written the port it listens on.
wait_for() {
    local name=$1 pid=$2 deadline=$((SECONDS + start_secs_max))
    until [[ -s $runs/$name.port ]]; do
        if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > deadline)); then
            tail -n 20 "$runs/$name.log" >&2
            fail "the stand-in $name did not start; rm -rf $home/$name and run again if it looks damaged"
        fi
        sleep 0.1
    done
}

# What the log files hold is shown by nobody when all went well.
stop() {
    local status=$?
    trap - EXIT
    if ((${#pids[@]})); then
        kill "${pids[@]}" 2>/dev/null || true
        wait "${pids[@]}" 2>/dev/null || true
    fi
    [[ -z $runs ]] || rm -rf "$runs"
    exit "$status"
}

# No profile, no credentials file and no metadata service: nothing reaches a real account by mistake.
export_environment() {
    TIDEGATE_TEST_MOTO=http://127.0.0.1:$(<"$runs/moto.port")
    TIDEGATE_TEST_KINESIS=http://127.0.0.1:$(<"$runs/kinesis.port")
    export TIDEGATE_TEST_MOTO TIDEGATE_TEST_KINESIS
    export TIDEGATE_TEST_PYTHON=$home/moto/bin/python
    export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=not-a-secret
    export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
    export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
    export PYTHONDONTWRITEBYTECODE=1 PATH=$runs/bin:$PATH
    unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL
}

# `stage` is stage.py, with the Python that has what it needs.
install_stage() {
    mkdir "$runs/bin"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/moto/bin/python" "$here/stage.py" >"$runs/bin/stage"
    chmod +x "$runs/bin/stage"
}

# open_shell: what is made there goes with it.
open_shell() {
    cargo build --locked --features full
    mkdir "$runs/shell"
    ln -s "$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/tidegate" "$runs/bin/tidegate"
    export AWS_ENDPOINT_URL=$TIDEGATE_TEST_MOTO AWS_ENDPOINT_URL_KINESIS=$TIDEGATE_TEST_KINESIS
    cd "$runs/shell"
    echo "test: the folder and what is in S3, CloudWatch Logs and Kinesis are gone after \`exit\`" >&2
    bash 9>&-
}

install
[[ ${1-} == --install ]] && exit 0

trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Left by a run that was killed outright.
find "$home" -maxdepth 1 -name 'run.*' -mtime +1 -exec rm -rf {} +
runs=$(mktemp -d "$home/run.XXXXXX")
mkfifo "$runs/leash"
exec 9<>"$runs/leash"
start_moto
start_kinesis
wait_for moto "${pids[0]}"
wait_for kinesis "${pids[1]}"
install_stage
export_environment

if [[ ${1-} == --shell ]]; then
    open_shell
else
    cargo test --locked --features stand-ins --test services -- "$@" 9>&-
fi
