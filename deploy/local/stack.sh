# SPDX-License-Identifier: Apache-2.0
# What up, down and status share: where a stack lives, its state file, and processes with pid files.
#
# A stack is one directory: `state` (what was chosen), `env` (for programs), and a folder a process with its pid,
# log and data. A pid file holds "pid start-time": a pid that the kernel has handed to somebody else since is
# never signalled. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stack_dir=$root/.build/local

say() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "$program" "$*" >&2
    exit 1
}

# The directory of --dir, made absolute; it may not exist yet.
absolute_dir() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$PWD" "$1" ;;
    esac
}

# Start time in clock ticks after boot; field 22 of stat, counted after the command name, which may hold spaces.
process_started() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    [ "$1" != Z ] || return 1
    printf '%s\n' "${20}"
}

pid_of() { # FOLDER: prints the pid when the process recorded there still runs
    local pid started
    read -r pid started 2>/dev/null <"$1/pid" || return 1
    [ "$(process_started "$pid")" = "$started" ] || return 1
    printf '%s\n' "$pid"
}

# start FOLDER COMMAND…: in the background, in a session of its own (an interrupt at the terminal is for the
# caller), output appended to FOLDER/log. The lock on descriptor 9 is not inherited.
start() {
    local folder=$1
    shift
    setsid "$@" </dev/null >>"$folder/log" 2>&1 9>&- &
    local pid=$!
    disown "$pid" 2>/dev/null || true
    printf '%s %s\n' "$pid" "$(process_started "$pid" || echo 0)" >"$folder/pid"
}

# await FOLDER SECONDS COMMAND…: until COMMAND succeeds; fails at once when the process of FOLDER has ended.
await() {
    local folder=$1 limit=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! pid_of "$folder" >/dev/null || [ "$SECONDS" -ge "$limit" ]; then
            say "--- last lines of $folder/log"
            tail -n 15 "$folder/log" >&2
            return 1
        fi
        sleep 0.1
    done
}

stop_signal() { # FOLDER SIGNAL
    local pid
    if pid=$(pid_of "$1"); then
        kill -s "$2" "$pid" 2>/dev/null || true
    fi
}

# Waits for the process of FOLDER to go; after LIMIT seconds it is killed.
stop_wait() {
    local folder=$1 limit=$((SECONDS + $2))
    while pid_of "$folder" >/dev/null; do
        if [ "$SECONDS" -ge "$limit" ]; then
            say "$folder: did not stop in time, killed"
            stop_signal "$folder" KILL
        fi
        sleep 0.05
    done
    rm -f "$folder/pid"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on, below the kernel's range for outgoing connections.
free_port() {
    local port tries
    for tries in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        case " $ports_given " in *" $port "*) continue ;; esac
        if ! port_taken "$port"; then
            printf '%s\n' "$port"
            return
        fi
    done
    die "no free port between 20000 and 31999 after $tries tries"
}

process_folders() { # every folder of the stack that has a pid file
    local file
    for file in "$stack_dir"/redis/pid "$stack_dir"/mock/pid "$stack_dir"/kafka-*/node-*/pid; do
        if [ -e "$file" ]; then
            dirname "$file"
        fi
    done
}
