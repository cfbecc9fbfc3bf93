#!/bin/sh
# Runs once, when the database server is created: the owner of the tables, the service's own role, the database.
# The service's role owns nothing, so that what the tables forbid holds for it too.
set -eu
: "${SPOTLIGHT_OWNER_DATABASE_PASSWORD:?is not set}" "${SPOTLIGHT_APP_DATABASE_PASSWORD:?is not set}"

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set owner_password="$SPOTLIGHT_OWNER_DATABASE_PASSWORD" --set app_password="$SPOTLIGHT_APP_DATABASE_PASSWORD" <<'SQL'
create role spotlight_owner login nosuperuser nobypassrls nocreatedb nocreaterole password :'owner_password';
create role spotlight_app login nosuperuser nobypassrls nocreatedb nocreaterole password :'app_password';
create role spotlight_tenant nologin nosuperuser nobypassrls nocreatedb nocreaterole;
grant spotlight_tenant to spotlight_app with inherit false, set true;
create database spotlight owner spotlight_owner;
revoke temporary on database spotlight from public;
\connect spotlight
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea),
  lowrite(integer, bytea) from public;
SQL
