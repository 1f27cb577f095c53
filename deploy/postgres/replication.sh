#!/bin/sh
# Lets the login that backs up fetch from other machines of the network, made once with the database.
echo "host replication danbao_backup all scram-sha-256" >>"$PGDATA/pg_hba.conf"
