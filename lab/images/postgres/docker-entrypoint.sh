#!/bin/sh
# Make a database cluster where there is none, then become the server. Interface of the official image; runs as any
# user that owns the data directory. A cluster is made beside its place and renamed when it is whole, so that a kill in the
# middle leaves an empty PGDATA, not half a cluster.
set -eu

say() { echo "docker-entrypoint: $*" >&2; }
die() { say "$*"; exit 1; }

# The value of $1, or the content of the file that ${1}_FILE names, or $2.
from_file_or_variable() {
    eval "value=\${$1:-} file=\${${1}_FILE:-}"
    [ -z "$value" ] || [ -z "$file" ] || die "both $1 and ${1}_FILE are set; set one of them"
    if [ -n "$file" ]; then
        [ -r "$file" ] || die "${1}_FILE names $file, which uid $(id -u) cannot read"
        value=$(cat "$file")
    fi
    printf '%s' "${value:-$2}"
}

# A failure inside a command substitution must end the script, so each stands in an assignment of its own.
make_cluster() {
    user=$(from_file_or_variable POSTGRES_USER postgres)
    database=$(from_file_or_variable POSTGRES_DB "$user")
    password=$(from_file_or_variable POSTGRES_PASSWORD '')
    [ -n "$password" ] || die "there is no password for the new database: set POSTGRES_PASSWORD_FILE to a file that holds one"

    new="$PGDATA/.new"
    rm -rf "$new"
    secret=$(mktemp)
    trap 'rm -f "$secret"' EXIT
    printf '%s\n' "$password" > "$secret"
    say "making a new database cluster in $PGDATA"
    # shellcheck disable=SC2086 # POSTGRES_INITDB_ARGS is a list of arguments, as in the official image
    initdb --pgdata="$new" --username="$user" --pwfile="$secret" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >&2
    rm -f "$secret"
    printf '\nhost all all all scram-sha-256\n' >> "$new/pg_hba.conf"
    printf "\nlisten_addresses = '*'\n" >> "$new/postgresql.conf"
    if [ "$database" != postgres ]; then
        # Single-user mode: no socket, no port, nothing to stop afterwards.
        quoted=$(printf '%s' "$database" | sed 's/"/""/g')
        printf 'CREATE DATABASE "%s"\n' "$quoted" | postgres --single -j -D "$new" postgres >/dev/null
    fi
    sync
    # PG_VERSION last: it is what says that there is a cluster.
    for entry in "$new"/* "$new"/.[!.]*; do
        [ -e "$entry" ] || continue
        [ "$entry" = "$new/PG_VERSION" ] || mv "$entry" "$PGDATA/"
    done
    sync
    mv "$new/PG_VERSION" "$PGDATA/"
    rmdir "$new"
    sync
    say "the new database cluster is in place"
}

# What an interrupted making left: moved entries without PG_VERSION. Only what initdb makes is removed.
clear_remains() {
    for entry in base global pg_commit_ts pg_dynshmem pg_logical pg_multixact pg_notify pg_replslot pg_serial pg_snapshots \
        pg_stat pg_stat_tmp pg_subtrans pg_tblspc pg_twophase pg_wal pg_xact pg_hba.conf pg_ident.conf postgresql.conf \
        postgresql.auto.conf; do
        rm -rf "${PGDATA:?}/$entry"
    done
}

# Become the owner of the data when started as root, as the official image does.
if [ "$(id -u)" = 0 ] && [ "${1:-}" = postgres ]; then
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA"
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

case "${1:-postgres}" in -*) set -- postgres "$@" ;; esac

if [ "${1:-}" = postgres ]; then
    mkdir -p "$PGDATA" || die "$PGDATA cannot be made by uid $(id -u); give it that owner"
    [ -w "$PGDATA" ] || die "$PGDATA is not writable for uid $(id -u); give it that owner"
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        [ -d "$PGDATA/.new" ] && clear_remains
        for entry in "$PGDATA"/* "$PGDATA"/.[!.]*; do
            case "$entry" in
                "$PGDATA/*" | "$PGDATA/.[!.]*" | "$PGDATA/.new" | "$PGDATA/lost+found") ;;
                *) die "$PGDATA holds no database but is not empty (${entry##*/}); move its content away or name another folder in PGDATA" ;;
            esac
        done
        chmod 0700 "$PGDATA"
        make_cluster
    fi
    rmdir "$PGDATA/.new" 2>/dev/null || :
fi

exec "$@"
