#!/bin/bash
# Runs once, when the primary's cluster has been made: the database, its user, and the user of the standby.
set -euo pipefail
settings=${SETTINGS:-/settings}

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set owner="$(cat "$settings/distilbench-password")" \
    --set standby="$(cat "$settings/replication-password")" <<'SQL'
CREATE ROLE distilbench LOGIN PASSWORD :'owner';
CREATE DATABASE distilbench OWNER distilbench ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';
CREATE ROLE replication LOGIN REPLICATION PASSWORD :'standby';
SQL
echo 'host replication replication all scram-sha-256' >>"$PGDATA/pg_hba.conf"
