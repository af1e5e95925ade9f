# shellcheck shell=bash
# Sourced by the scripts beside it: expstat in a PostgreSQL server of its own.
#
#   private_tree              a temporary directory with a copy of PostgreSQL
#   add_postgresql            a copy of the PostgreSQL of PG_CONFIG, in the same directory
#   build_extension [ARG...]  make install into it (arguments go to make)
#   start_server [SETTING...] initdb, start, PGHOST, PGUSER, ... exported
#   have_citus                is there Citus, too?
#   start_cluster             instead: a coordinator and two workers, with Citus
#   no_crash                  false if one of the servers crashed
#   run COMMAND [ARG...]      a command that may take long
#   python_environment FILE   path of a Python with the packages that a requirements file lists
#
# PostgreSQL finds its own files relative to its executable.  So a copy of three
# programs, beside symbolic links to everything else, is a whole installation that we
# may add an extension to: nothing is installed in the system, and no cluster of the
# system is touched.  The server listens on a socket in the temporary directory only.
# All of it is gone when the script ends, however it ends.

set -euo pipefail
umask 022
unset CDPATH MAKEFLAGS MAKELEVEL

# A server chosen in the caller's environment is not ours.
for name in "${!PG@}"; do
    [ "$name" = PG_CONFIG ] || unset "$name"
done

# shellcheck disable=SC2034 # used by the scripts that source this file
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# ---- which PostgreSQL ----

# PG_CONFIG from the environment, else Debian's PostgreSQL 15, else its newest.
choose_pg_config() {
    if [ -z "${PG_CONFIG:-}" ]; then
        PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
        if [ ! -x "$PG_CONFIG" ]; then
            PG_CONFIG=$(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -V | tail -n 1)
        fi
    fi
    export PG_CONFIG
}

# True if there is a server and what is needed to compile for it.  Debian's server comes
# with PGXS, but without headers.
have_postgresql() {
    local bindir pgxs include
    bindir=$("$PG_CONFIG" --bindir 2>/dev/null) || return 1
    pgxs=$("$PG_CONFIG" --pgxs 2>/dev/null) || return 1
    include=$("$PG_CONFIG" --includedir-server 2>/dev/null) || return 1
    [ -x "$bindir/postgres" ] && [ -x "$bindir/initdb" ] && [ -e "$pgxs" ] &&
        [ -e "$include/postgres.h" ]
}

# ---- the private tree ----

tmp=
server_user=
child=

# PostgreSQL refuses to run as root: there the server (and only the server) steps down.
# The server user cannot read root's current directory, hence the cd.
as_server_user() (
    cd "$tmp"
    if [ -n "$server_user" ]; then
        exec setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --init-groups "$@"
    fi
    exec "$@"
)

cleanup() {
    local status=$?
    trap - EXIT
    trap '' HUP INT TERM
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    if [ -n "$tmp" ]; then
        local pid
        for pid in "$tmp"/server/*/postmaster.pid; do
            [ ! -e "$pid" ] || as_server_user "$tmp/tree$bindir/pg_ctl" stop -s -m immediate -D "${pid%/*}" || true
        done
        rm -rf "$tmp" 2>/dev/null || { sleep 1 && rm -rf "$tmp"; } || true
    fi
    exit "$status"
}

# Bash heeds a signal only when the command in the foreground has ended.  So wait for
# one in the background (which bash would start with Ctrl-C ignored).
run() {
    local status=0
    env --default-signal=INT,QUIT "$@" <&0 &
    child=$!
    wait "$child" || status=$?
    child=
    return "$status"
}

private_tree() {
    choose_pg_config
    have_postgresql || die "no PostgreSQL server with headers at PG_CONFIG=$PG_CONFIG"

    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/expstat.XXXXXX")
    tmp=$(cd "$tmp" && pwd -P)
    [[ $tmp != *[[:space:]]* ]] || die "TMPDIR must be without blanks, for make's sake"
    mkdir "$tmp/server"
    if [ "$(id -u)" = 0 ]; then
        server_user=postgres
        id -u "$server_user" >/dev/null 2>&1 || server_user=nobody
        # Nobody else gets in: whoever could connect could run commands as this user.
        chown "root:$(id -g "$server_user")" "$tmp"
        chmod 750 "$tmp"
        chown "$server_user" "$tmp/server"
    fi
    chmod 700 "$tmp/server"
    add_postgresql
}

add_postgresql() {
    local dir program pkglibdir sharedir
    bindir=$("$PG_CONFIG" --bindir)
    pkglibdir=$("$PG_CONFIG" --pkglibdir)
    sharedir=$("$PG_CONFIG" --sharedir)
    for dir in "$bindir" "$pkglibdir" "$sharedir"; do
        mkdir -p "$tmp/tree$dir"
        cp -as "$dir/." "$tmp/tree$dir/"
    done
    for program in postgres initdb pg_ctl; do
        cp --remove-destination "$bindir/$program" "$tmp/tree$bindir/"
    done
    # An expstat of the system must neither be seen nor, through a link, overwritten.
    find "$tmp/tree$pkglibdir" "$tmp/tree$sharedir" -name 'expstat*' -prune -exec rm -rf {} +

    as_server_user env "$tmp/tree$bindir/postgres" --version >/dev/null 2>&1 ||
        die "${server_user:-you} cannot run programs in $tmp; set TMPDIR to a directory that allows it"
    export PATH="$bindir:$PATH"
}

# ---- build ----

# A copy of the checkout, without anything built.
copy_checkout() {
    mkdir "$tmp/checkout"
    tar -C "$root" --exclude=./.git --mode=u+rwX -cf - . | tar -C "$tmp/checkout" --no-same-owner -xf -
    make -s -C "$tmp/checkout" clean >/dev/null 2>&1 || true
}

# make install into the private tree, from the directory $build.  That is the checkout,
# where make has little to do the second time (and one at a time does it), unless it is
# somebody else's: then a copy, for we leave nothing there that its owner cannot remove.
build_extension() {
    local log="$tmp/build.log"
    if [ -z "${build:-}" ]; then
        if [ -O "$root" ] && [ -w "$root" ]; then
            build=$root
        else
            copy_checkout
            build=$tmp/checkout
        fi
    fi
    (
        [ "$build" != "$root" ] || flock 9
        make -s -C "$build" -j "$(nproc)" "$@" all &&
            make -s -C "$build" "$@" DESTDIR="$tmp/tree" install
    ) 9<"$root/script/lib.sh" >"$log" 2>&1 || {
        cat "$log" >&2
        return 1
    }
}

# ---- server ----

# Options of initdb.
initdb_options=(-U postgres -A trust --encoding=UTF8 --locale=C.UTF-8 --no-sync)

# Data in the directory NAME, with these settings, not started.  All servers listen on
# sockets in one directory, and are told apart by their ports.
make_cluster_at() {
    local port=$1 data=$tmp/server/$2 setting
    shift 2
    as_server_user "$tmp/tree$bindir/initdb" -D "$data" "${initdb_options[@]}" >"$tmp/initdb.log" 2>&1 || {
        cat "$tmp/initdb.log" >&2
        die "initdb failed"
    }
    as_server_user tee -a "$data/postgresql.conf" >/dev/null <<EOF
listen_addresses = ''
port = $port
unix_socket_directories = '$tmp/server'
unix_socket_permissions = 0700
cluster_name = 'expstat'
shared_buffers = 256MB
fsync = off
synchronous_commit = off
full_page_writes = off
log_line_prefix = '%m [%p] '
timezone = 'UTC'
log_timezone = 'UTC'
$(for setting in "$@"; do printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"; done)
EOF
}

make_cluster() {
    make_cluster_at 5432 data "$@"
}

start_server_at() {
    local data=$tmp/server/$2 log=$tmp/server/$2.log
    make_cluster_at "$@"
    as_server_user "$tmp/tree$bindir/pg_ctl" start -s -w -D "$data" -l "$log" >/dev/null || {
        cat "$log" >&2
        die "the private server did not start"
    }
}

start_server() {
    start_server_at 5432 data "$@"
    export PGHOST=$tmp/server PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

# False, and shown, if a server crashed.  Tests may kill a backend on purpose (signal 9).
no_crash() {
    ! grep -E 'terminated by signal ([^9]|9[0-9])|TRAP: |PANIC: ' "$tmp"/server/*.log
}

# ---- a cluster ----

# Citus is not in Debian.  Where it is not installed beside PostgreSQL, CITUS_TREE names
# what was given as DESTDIR to its make install.
have_citus() {
    choose_pg_config
    [ -e "${CITUS_TREE:-}$("$PG_CONFIG" --sharedir 2>/dev/null)/extension/citus.control" ]
}

# After private_tree and build_extension.  The nodes talk to each other over sockets, as
# everybody talks to them; so a node's host is the directory of the sockets.
start_cluster() {
    local port name
    [ -z "${CITUS_TREE:-}" ] || cp -as --remove-destination "$(cd "$CITUS_TREE" && pwd)/." "$tmp/tree/"
    for name in coordinator worker1 worker2; do
        port=$((${port:-5431} + 1))
        start_server_at $port $name shared_preload_libraries=citus max_prepared_transactions=100 \
            shared_buffers=64MB citus.node_conninfo=sslmode=disable citus.local_hostname="$tmp/server" \
            citus.enable_statistics_collection=off
        psql -qX -h "$tmp/server" -p $port -U postgres -d postgres -c 'CREATE EXTENSION citus'
    done
    export PGHOST=$tmp/server PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    psql -qX -v ON_ERROR_STOP=1 -v host="$PGHOST" >/dev/null <<'EOF'
SELECT citus_set_coordinator_host(:'host', 5432);
SELECT citus_add_node(:'host', 5433);
SELECT citus_add_node(:'host', 5434);
EOF
}

# ---- tests in Python ----

# To be called by run with what is to be tested; leaves nothing behind but --basetemp.
pytest=(env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -ra --tb=short)

# ---- Python packages that Debian does not have ----

# A virtual environment with what a requirements file lists, made once and kept in the
# user's cache under a name that depends on the file's content.
python_environment() {
    local requirements=$1 cache venv
    cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/expstat
    venv=$cache/$(sha256sum <"$requirements" | cut -c 1-12)
    mkdir -p "$cache"
    (
        flock 9
        [ ! -e "$venv/complete" ] || exit 0
        echo "installing the packages of $requirements in $venv" >&2
        rm -rf "$venv"
        /usr/bin/python3 -m venv "$venv" &&
            "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2 &&
            touch "$venv/complete"
    ) 9>"$cache/lock" || return 1
    echo "$venv"
}
