#!/bin/bash
# Makes a standby of the primary if there is none in $PGDATA yet, and then runs the command that is given.
set -euo pipefail

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    PGPASSWORD=$(cat "${SETTINGS:-/settings}/replication-password")
    export PGPASSWORD
    until pg_basebackup --pgdata "$PGDATA" --write-recovery-conf --wal-method stream --checkpoint fast \
        --dbname "host=$PRIMARY port=${PRIMARY_PORT:-5432} user=replication application_name=standby"; do
        echo 'standby: the primary is not ready; trying again' >&2
        rm -rf "${PGDATA:?}"/*
        sleep 2
    done
    if [ "$(id -u)" = 0 ]; then chown -R postgres "$PGDATA"; fi
    chmod 0700 "$PGDATA"
fi
exec "$@"
